//! What layers change, what of them is shipped in vain, and how two images differ.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::digest::{Digest, Hashing};
use super::error::ImageError;
use super::flatten::Layer;
use super::store::{Image, Store};
use super::whiteout::{self, Name};

/// What one layer does to those below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LayerChanges {
    /// Paths that were not there.
    pub added: usize,
    /// Paths that were there and that it ships again.
    pub changed: usize,
    /// Paths that are gone with it.
    pub removed: usize,
    /// Bytes of the files that it ships, unpacked.
    pub bytes: u64,
    /// Of those in lower layers, the bytes that it ships anew under the same path.
    pub shadowed: u64,
    /// Of those in lower layers, the bytes whose path it removes.
    pub deleted: u64,
}

/// How two trees differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TreeChanges {
    /// Only in the second.
    pub added: Vec<PathBuf>,
    /// In both, but different in kind, mode, owner or content.
    pub changed: Vec<PathBuf>,
    /// Only in the first.
    pub removed: Vec<PathBuf>,
    /// Layers that both images have.
    pub shared_layers: usize,
    /// Layers of the second that the first does not have: what is shipped to who has the first.
    pub new_layers: usize,
    /// Bytes of those layers as shipped.
    pub shipped_bytes: u64,
    /// Bytes of all layers of the second as shipped: to who has none.
    pub all_bytes: u64,
}

/// What of an image is shipped in vain. Bytes are those of files, unpacked, unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Efficiency {
    /// What each layer does, the lowest first.
    pub layers: Vec<LayerChanges>,
    /// Bytes that all layers ship.
    pub total: u64,
    /// Bytes that the image shows in the end.
    pub visible: u64,
    /// Bytes that a later layer ships again under the same path.
    pub shadowed: u64,
    /// Bytes that a later layer deletes.
    pub deleted: u64,
    /// Bytes of visible files that are there under other paths already, without being hard links.
    pub duplicated: u64,
    /// Bytes as shipped of layers that other images of the store use too.
    pub shared_with_others: u64,
    /// Bytes as shipped of all layers.
    pub shipped: u64,
}

/// One path of a tree.
struct Node {
    /// Where it is in the store.
    file: PathBuf,
    facts: Metadata,
    /// Bytes that it alone accounts for: none for a folder and for a file's second name.
    bytes: u64,
}

type Tree = BTreeMap<PathBuf, Node>;

/// What `image` ships, and what of it in vain.
pub fn efficiency(store: &Store, image: &Image) -> Result<Efficiency, ImageError> {
    let mut tree = Tree::new();
    let mut result = Efficiency::default();
    for layer in store.layers(image)? {
        let changes = apply(&mut tree, &layer)?;
        result.total += changes.bytes;
        result.shadowed += changes.shadowed;
        result.deleted += changes.deleted;
        result.layers.push(changes);
    }
    result.visible = tree.values().map(|node| node.bytes).sum();
    result.duplicated = duplicated(&tree)?;
    let others = store.images()?.into_iter().filter(|other| other.id != image.id);
    let others: HashSet<Digest> = others.flat_map(|other| other.layers).map(|layer| layer.diff_id).collect();
    let shared = image.layers.iter().filter(|layer| others.contains(&layer.diff_id));
    result.shared_with_others = shared.map(|layer| layer.bytes).sum();
    result.shipped = image.bytes();
    Ok(result)
}

/// How the files of `second` differ from those of `first`, and what it takes to ship them.
pub fn difference(store: &Store, first: &Image, second: &Image) -> Result<TreeChanges, ImageError> {
    let (before, after) = (tree(store, first)?, tree(store, second)?);
    let known: HashSet<Digest> = first.layers.iter().map(|layer| layer.diff_id).collect();
    let mut changes = TreeChanges { all_bytes: second.bytes(), ..TreeChanges::default() };
    for layer in &second.layers {
        if known.contains(&layer.diff_id) {
            changes.shared_layers += 1;
        } else {
            changes.new_layers += 1;
            changes.shipped_bytes += layer.bytes;
        }
    }
    for (path, node) in &after {
        match before.get(path) {
            None => changes.added.push(path.clone()),
            Some(old) if !same(old, node)? => changes.changed.push(path.clone()),
            Some(_) => {}
        }
    }
    changes.removed = before.keys().filter(|path| !after.contains_key(*path)).cloned().collect();
    Ok(changes)
}

fn tree(store: &Store, image: &Image) -> Result<Tree, ImageError> {
    let mut tree = Tree::new();
    for layer in store.layers(image)? {
        apply(&mut tree, &layer)?;
    }
    Ok(tree)
}

/// Everything in a layer's folder, folders before what is in them.
fn walk(folder: &Path, path: &Path, found: &mut Vec<(PathBuf, Metadata)>) -> Result<(), ImageError> {
    let place = folder.join(path);
    for entry in fs::read_dir(&place).map_err(ImageError::at("reading", &place))? {
        let entry = entry.map_err(ImageError::at("reading", &place))?;
        let facts = entry.metadata().map_err(ImageError::at("reading", &entry.path()))?;
        let path = path.join(entry.file_name());
        let is_folder = facts.is_dir();
        found.push((path.clone(), facts));
        if is_folder {
            walk(folder, &path, found)?;
        }
    }
    Ok(())
}

/// Puts a layer upon a tree.
fn apply(tree: &mut Tree, layer: &Layer) -> Result<LayerChanges, ImageError> {
    let mut entries = Vec::new();
    walk(&layer.folder, Path::new(""), &mut entries)?;
    let mut gone = Tree::new();
    // Whiteouts first: they mean the layers below, wherever in the archive they stood.
    for (path, _) in &entries {
        let (parent, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
        match whiteout::name(name) {
            Ok(Name::Opaque) => gone.extend(take_below(tree, parent)),
            Ok(Name::Whiteout(removed)) => {
                let removed = parent.join(removed);
                gone.extend(take_below(tree, &removed));
                gone.extend(tree.remove_entry(&removed));
            }
            Ok(_) | Err(_) => {}
        }
    }
    let mut changes = LayerChanges::default();
    let mut counted = HashSet::new();
    for (path, facts) in entries {
        if whiteout::name(path.file_name().unwrap_or(OsStr::new(""))) != Ok(Name::Ordinary) {
            continue;
        }
        let first_name = facts.is_file() && counted.insert((facts.dev(), facts.ino()));
        let bytes = if first_name { facts.len() } else { 0 };
        changes.bytes += bytes;
        let below = tree.get(&path);
        if facts.is_dir() && below.is_some_and(|below| below.facts.is_dir()) {
            if layer.facts.implied.contains(path.as_os_str()) {
                continue;
            }
            let file = layer.folder.join(&path);
            let node = Node { file, facts, bytes };
            let same = below.map_or(Ok(false), |below| same(below, &node))?;
            changes.changed += usize::from(!same);
            tree.insert(path, node);
            continue;
        }
        if below.is_some_and(|below| below.facts.is_dir()) {
            gone.extend(take_below(tree, &path));
        }
        gone.extend(tree.remove_entry(&path));
        match gone.remove(&path) {
            Some(old) => {
                changes.changed += 1;
                changes.shadowed += old.bytes;
            }
            None => changes.added += 1,
        }
        tree.insert(path.clone(), Node { file: layer.folder.join(path), facts, bytes });
    }
    changes.removed = gone.len();
    changes.deleted = gone.values().map(|node| node.bytes).sum();
    Ok(changes)
}

/// Takes everything inside `folder` out of the tree.
fn take_below(tree: &mut Tree, folder: &Path) -> Tree {
    let below: Vec<PathBuf> = tree
        .range(folder.to_owned()..)
        .map(|(path, _)| path)
        .take_while(|path| path.starts_with(folder))
        .filter(|path| *path != folder)
        .cloned()
        .collect();
    below.iter().filter_map(|path| tree.remove_entry(path)).collect()
}

/// Whether two paths show the same: kind, mode, owner, content. Times are not looked at.
fn same(one: &Node, other: &Node) -> Result<bool, ImageError> {
    let look = |facts: &Metadata| (facts.mode(), facts.uid(), facts.gid(), facts.rdev());
    if look(&one.facts) != look(&other.facts) {
        return Ok(false);
    }
    if one.facts.is_symlink() {
        let target = |node: &Node| fs::read_link(&node.file).map_err(ImageError::at("reading", &node.file));
        return Ok(target(one)? == target(other)?);
    }
    if !one.facts.is_file() || one.file == other.file {
        return Ok(true);
    }
    Ok(one.facts.len() == other.facts.len() && content(&one.file)? == content(&other.file)?)
}

fn content(file: &Path) -> Result<Digest, ImageError> {
    let opened = fs::File::open(file).map_err(ImageError::at("reading", file))?;
    let mut reader = Hashing::new(io::BufReader::with_capacity(1 << 17, opened), io::sink());
    io::copy(&mut reader, &mut io::sink()).map_err(ImageError::at("reading", file))?;
    Ok(reader.finish().0)
}

/// Bytes of files that are there under another path. Only those of equal size are read.
fn duplicated(tree: &Tree) -> Result<u64, ImageError> {
    let mut by_size: HashMap<u64, BTreeSet<&Path>> = HashMap::new();
    for node in tree.values().filter(|node| node.bytes > 0) {
        by_size.entry(node.bytes).or_default().insert(&node.file);
    }
    let mut bytes = 0;
    for (size, files) in by_size.iter().filter(|(_, files)| files.len() > 1) {
        let mut seen = HashSet::new();
        for file in files {
            bytes += if seen.insert(content(file)?) { 0 } else { *size };
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{LayerBuilder, image_folder, store};
    use super::super::{LoadOptions, flatten};
    use super::*;

    fn loaded(folder: &Path, store: &Store, name: &str, layers: &[Vec<u8>]) -> Image {
        let place = image_folder(&folder.join(name), "latest", layers);
        store.load(&place, &LoadOptions::default()).expect("a good image");
        store.find(name).expect("loaded")
    }

    #[test]
    fn what_is_shipped_in_vain_is_told_apart() {
        let (folder, store) = store();
        let base = LayerBuilder::new()
            .file("kept", &[1; 100])
            .file("shadowed", &[2; 1000])
            .file("deleted", &[3; 10_000])
            .file("cache/one", &[4; 7])
            .hard_link("kept-too", "kept")
            .build();
        let top = LayerBuilder::new()
            .file("shadowed", &[5; 500])
            .file(".wh.deleted", b"")
            .file("cache/.wh..wh..opq", b"")
            .file("copy", &[1; 100])
            .build();
        let image = loaded(folder.path(), &store, "app", &[base.clone(), top]);
        loaded(folder.path(), &store, "other", &[base]);
        let result = efficiency(&store, &image).expect("read");
        assert_eq!((result.shadowed, result.deleted, result.duplicated), (1000, 10_007, 100));
        assert_eq!((result.total, result.visible), (11_107 + 600, 700));
        assert_eq!(result.shared_with_others, image.layers[0].bytes);
        let expected =
            LayerChanges { added: 1, changed: 1, removed: 2, bytes: 600, shadowed: 1000, deleted: 10_007 };
        assert_eq!(result.layers[1], expected);
    }

    #[test]
    fn two_images_differ_in_files_and_in_what_is_shipped() {
        let (folder, store) = store();
        let base = LayerBuilder::new().file("same", b"1").file("content", b"1").file("gone", b"1").build();
        let change =
            LayerBuilder::new().file("content", b"2").file("new", b"1").file(".wh.gone", b"").build();
        let first = loaded(folder.path(), &store, "first", std::slice::from_ref(&base));
        let second = loaded(folder.path(), &store, "second", &[base, change]);
        let changes = difference(&store, &first, &second).expect("read");
        assert_eq!(changes.added, [Path::new("new")]);
        assert_eq!(changes.changed, [Path::new("content")]);
        assert_eq!(changes.removed, [Path::new("gone")]);
        assert_eq!((changes.shared_layers, changes.new_layers), (1, 1));
        assert_eq!(changes.shipped_bytes, second.layers[1].bytes);
        let none = difference(&store, &first, &first).expect("read");
        assert!(none.added.is_empty() && none.changed.is_empty() && none.removed.is_empty());
        assert_eq!(none.shipped_bytes, 0);
    }

    /// Layers of few names, so that they meet: files, whiteouts, opaque folders, in any order.
    fn layers() -> impl Strategy<Value = Vec<Vec<(usize, usize, usize)>>> {
        proptest::collection::vec(proptest::collection::vec((0..4usize, 0..3usize, 0..3usize), 0..8), 1..5)
    }

    fn build(entries: &[(usize, usize, usize)]) -> Option<Vec<u8>> {
        let names = ["a", "b", "c"];
        let mut builder = LayerBuilder::new();
        for (what, first, second) in entries {
            let (first, second) = (names.get(*first)?, names.get(*second)?);
            builder = match what {
                0 => builder.file(&format!("{first}/{second}"), b"content"),
                1 => builder.file(&format!("{first}/.wh.{second}"), b""),
                2 => builder.file(&format!("{first}/.wh..wh..opq"), b""),
                _ => builder.file(&format!(".wh.{first}"), b""),
            };
        }
        Some(builder.build())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// What is counted here is what is put together for a sandbox.
        #[test]
        fn the_model_agrees_with_the_root_filesystem(layers in layers()) {
            let folder = tempfile::tempdir().expect("a folder");
            let mut unpacked = Vec::new();
            let mut model = Tree::new();
            for (number, entries) in layers.iter().enumerate() {
                let to = folder.path().join(number.to_string());
                fs::create_dir(&to).expect("made");
                let bytes = build(entries).expect("names");
                let facts = super::super::unpack(&bytes[..], &to, 1 << 20).expect("a good layer");
                let layer = Layer { folder: to, facts };
                apply(&mut model, &layer).expect("applied");
                unpacked.push(layer);
            }
            let root = folder.path().join("root");
            fs::create_dir(&root).expect("made");
            flatten(&unpacked, &root).expect("put together");
            let mut found = Vec::new();
            walk(&root, Path::new(""), &mut found).expect("readable");
            let found: BTreeSet<PathBuf> = found.into_iter().map(|(path, _)| path).collect();
            prop_assert_eq!(found, model.into_keys().collect::<BTreeSet<_>>());
        }
    }
}
