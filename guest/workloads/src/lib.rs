//! What the built-in workloads share.
#![no_std]
