//! From collected items to the bytes of a tree.

use std::collections::HashMap;

use super::{ALIGNMENT, Id, PackError, Packed, Piece, ROOT, TreeBuilder, What};
use crate::tree::{self, EntryRecord, Header, MAGIC, NodeRecord, bytes_of, name_key};

/// Lays the items out: nodes in breadth-first order, each directory's entries side by side.
pub(super) struct Packer<'b> {
    builder: &'b TreeBuilder,
    /// Items in the order of their nodes.
    order: Vec<Id>,
    node_of: HashMap<Id, u32>,
    entries: Vec<EntryRecord>,
    names: Vec<u8>,
    pieces: Vec<Piece>,
    window_length: u64,
}

impl<'b> Packer<'b> {
    pub(super) fn new(builder: &'b TreeBuilder) -> Packer<'b> {
        Packer {
            builder,
            order: vec![ROOT],
            node_of: HashMap::from([(ROOT, 0)]),
            entries: Vec::new(),
            names: Vec::new(),
            pieces: Vec::new(),
            window_length: 0,
        }
    }

    pub(super) fn pack(mut self) -> Result<Packed, PackError> {
        let mut nodes = Vec::new();
        // `order` grows as directories are met.
        while let Some(&item) = self.order.get(nodes.len()) {
            nodes.push(self.node(item)?);
        }
        let program_at = self.names(&self.builder.program)?;
        let header = Header {
            magic: MAGIC,
            nodes: nodes.len() as u32,
            entries: self.entries.len() as u32,
            names: self.names.len() as u32,
            program_at,
            program_length: self.builder.program.len() as u32,
            working_directory: self.node_of(self.builder.working_directory)?,
        };
        let mut metadata = bytes_of(&[header]).to_vec();
        metadata.extend_from_slice(bytes_of(&nodes));
        metadata.extend_from_slice(bytes_of(&self.entries));
        metadata.extend_from_slice(&self.names);
        Ok(Packed {
            metadata,
            window_length: self.window_length,
            pieces: self.pieces,
            notes: self.builder.notes.clone(),
        })
    }

    fn node(&mut self, id: Id) -> Result<NodeRecord, PackError> {
        let item = &self.builder.items[id];
        let mut record = NodeRecord {
            kind: 0,
            mode: item.mode,
            links: item.links,
            uid: 0,
            gid: 0,
            mtime_nanos: item.modified.nanos,
            mtime_seconds: item.modified.seconds,
            first: 0,
            count: 0,
            parent: 0,
            flags: if item.sealed { tree::FLAG_SEALED } else { 0 },
            offset: 0,
            length: 0,
        };
        match &item.what {
            What::Directory { parent, entries } => {
                record.kind = tree::KIND_DIRECTORY;
                record.parent = self.node_of(*parent)?;
                record.first = self.entries.len() as u32;
                record.count = entries.len() as u32;
                let subdirectories = entries.values().filter(|child| self.builder.is_directory(**child));
                record.links = 2 + subdirectories.count() as u32;
                for (name, child) in entries {
                    let name_at = self.names(name)?;
                    let node = self.node_of(*child)?;
                    self.entries.push(EntryRecord {
                        key: name_key(name),
                        name_at,
                        name_length: name.len() as u32,
                        node,
                        reserved: 0,
                    });
                }
            }
            What::File { source, length } => {
                record.kind = tree::KIND_REGULAR;
                record.length = *length;
                record.offset = self.window_length;
                if *length > 0 {
                    let piece = Piece { source: source.clone(), offset: self.window_length, length: *length };
                    self.pieces.push(piece);
                    self.window_length += length.next_multiple_of(ALIGNMENT);
                }
            }
            What::Symlink(target) => {
                record.kind = tree::KIND_SYMLINK;
                record.first = self.names(target)?;
                record.count = target.len() as u32;
            }
            What::Device(number) => {
                record.kind = tree::KIND_DEVICE;
                record.first = *number;
            }
            What::Generated(generator) => {
                record.kind = tree::KIND_GENERATED;
                record.first = *generator;
            }
            What::Descriptors { parent } => {
                record.kind = tree::KIND_DESCRIPTORS;
                record.parent = self.node_of(*parent)?;
                record.links = 2;
            }
        }
        Ok(record)
    }

    /// The node number of an item, which gets its turn if it has none yet.
    fn node_of(&mut self, item: Id) -> Result<u32, PackError> {
        let next = u32::try_from(self.order.len()).ok().filter(|next| *next < 1 << 31);
        let next = next.ok_or(PackError::TooLarge)?;
        Ok(*self.node_of.entry(item).or_insert_with(|| {
            self.order.push(item);
            next
        }))
    }

    fn names(&mut self, name: &[u8]) -> Result<u32, PackError> {
        let at = u32::try_from(self.names.len()).map_err(|_| PackError::TooLarge)?;
        u32::try_from(self.names.len() + name.len()).map_err(|_| PackError::TooLarge)?;
        self.names.extend_from_slice(name);
        Ok(at)
    }
}
