//! What the VMM and the guest kernel agree on: hypercalls, boot information, memory layout.
#![no_std]
