//! Images as a user meets them: loaded, refused, put together, saved.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use proptest::prelude::*;
use serde_json::json;
use tar::EntryType;

use super::layout::host_platform;
use super::testing::{
    LayerBuilder, LayoutBuilder, Packing, archive, config_document, image_folder, listing, packed, store,
};
use super::{Image, LoadOptions, Loaded, Store, unpack};

fn load(store: &Store, place: &Path) -> Loaded {
    let mut loaded = store.load(place, &LoadOptions::default()).expect("a good image");
    assert_eq!(loaded.len(), 1);
    loaded.remove(0)
}

/// What the image of these layers looks like, put together.
fn seen(layers: &[Vec<u8>]) -> Vec<String> {
    let (folder, store) = store();
    load(&store, &image_folder(&folder.path().join("image"), "latest", layers));
    let root = store.root(&store.find("image").expect("loaded")).expect("put together");
    listing(&root.path).into_iter().map(|line| line.split(' ').next().expect("a path").to_owned()).collect()
}

/// Loads an image with this layer, which must be refused, and leaves the store as it is.
fn refused(layer: Vec<u8>) -> String {
    let (folder, store) = store();
    let good = LayerBuilder::new().file("good", b"content").build();
    load(&store, &image_folder(&folder.path().join("good"), "latest", std::slice::from_ref(&good)));
    let before = listing(&folder.path().join("store"));
    let other = LayerBuilder::new().file("other", b"content").build();
    let place = image_folder(&folder.path().join("bad"), "latest", &[good, other, layer]);
    let error = store.load(&place, &LoadOptions::default()).expect_err("refused").to_string();
    assert_eq!(listing(&folder.path().join("store")), before);
    assert!(!error.contains(char::is_control), "{error}");
    error
}

#[test]
fn every_format_and_compression_gives_the_same_image() {
    let layers = [
        LayerBuilder::new().folder("bin/").file("bin/tool", b"tool").build(),
        LayerBuilder::new().file("etc/config", b"config").build(),
    ];
    let platform = host_platform();
    let mut places = Vec::new();
    let scratch = tempfile::tempdir().expect("a folder");
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let layout = LayoutBuilder::new().image("1.0", &platform, packing, &layers, json!({}));
        places.push(layout.write_folder(&scratch.path().join(format!("{packing:?}/app"))));
        for (outer, suffix) in
            [(Packing::Plain, "tar"), (Packing::Gzip, "tar.gz"), (Packing::Zstd, "tar.zst")]
        {
            let place = scratch.path().join(format!("{packing:?}/app.{suffix}"));
            fs::write(&place, packed(&layout.archive(), outer)).expect("written");
            places.push(place);
        }
    }
    // As docker save wrote until version 24, with a layer that is a link to another image's.
    let config = config_document(&platform, &layers, json!({}));
    let name = format!("{}.json", super::Digest::of(&config).hex());
    let manifest =
        json!([{ "Config": name, "RepoTags": ["app:1.0"], "Layers": ["one/layer.tar", "two/layer.tar"] }]);
    let files = [
        (name, config),
        ("manifest.json".to_owned(), manifest.to_string().into_bytes()),
        ("one/layer.tar".to_owned(), layers[0].clone()),
        ("three/layer.tar".to_owned(), layers[1].clone()),
    ];
    let docker = LayerBuilder::new().symlink("two/layer.tar", "../three/layer.tar").build();
    // Without the end mark of the first archive, the second follows it.
    let first = archive(&files);
    let docker = [&first[..first.len() - 1024], &docker[..]].concat();
    places.push(scratch.path().join("docker.tar"));
    fs::write(places.last().expect("pushed"), docker).expect("written");

    let mut ids = Vec::new();
    for place in &places {
        let (_folder, store) = store();
        let loaded = load(&store, place);
        assert_eq!(loaded.names[0].to_string(), "app:1.0", "{}", place.display());
        let image = store.find("app:1.0").expect("loaded");
        let root = store.root(&image).expect("put together");
        assert_eq!(fs::read(root.path.join("bin/tool")).expect("there"), b"tool");
        assert_eq!(fs::read(root.path.join("etc/config")).expect("there"), b"config");
        ids.push(image.id);
    }
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
}

#[test]
fn a_layer_in_the_store_is_not_read_again() {
    let (folder, store) = store();
    let layer = LayerBuilder::new().file("a", b"content").build();
    let place = image_folder(&folder.path().join("app"), "latest", &[layer]);
    let first = load(&store, &place);
    assert_eq!((first.new_layers, first.known_layers), (1, 0));
    let before = listing(&folder.path().join("store"));
    let image = store.find("app").expect("loaded");
    // Not even the file is needed any more.
    fs::remove_file(place.join("blobs/sha256").join(image.layers[0].blob.hex())).expect("removed");
    let second = load(&store, &place);
    assert_eq!((second.new_layers, second.known_layers), (0, 1));
    assert_eq!(listing(&folder.path().join("store")), before);
}

#[test]
fn whiteouts_apply_to_lower_layers_whatever_the_order() {
    let lower = LayerBuilder::new()
        .file("gone", b"1")
        .file("again", b"1")
        .file("folder/old", b"1")
        .file("opaque/old", b"1")
        .file("kept/old", b"1")
        .file("becomes-folder", b"1")
        .file("becomes-file/inside", b"1")
        .symlink("link", "kept")
        .build();
    let upper = LayerBuilder::new()
        .file("again", b"2")
        .file(".wh.again", b"")
        .file(".wh.gone", b"")
        .file(".wh.never-there", b"")
        .file(".wh.folder", b"")
        .file("opaque/new", b"2")
        .file("opaque/.wh..wh..opq", b"")
        .file(".wh..wh.plnk", b"")
        .file("kept/new", b"2")
        .file("becomes-folder/inside", b"2")
        .file("becomes-file", b"2")
        .file("link/inside", b"2")
        .build();
    let expected = [
        "again",
        "becomes-file",
        "becomes-folder",
        "becomes-folder/inside",
        "kept",
        "kept/new",
        "kept/old",
        "link",
        "link/inside",
        "opaque",
        "opaque/new",
    ];
    assert_eq!(seen(&[lower.clone(), upper.clone()]), expected);
    // A layer in between that brings a folder back does not bring back what is below.
    let between = LayerBuilder::new().file(".wh.opaque", b"").file("opaque/middle", b"").build();
    let top = LayerBuilder::new().file("opaque/top", b"").build();
    let both = seen(&[lower, between, top]);
    let opaque: Vec<&str> =
        both.iter().map(String::as_str).filter(|path| path.starts_with("opaque/")).collect();
    assert_eq!(opaque, ["opaque/middle", "opaque/top"]);
}

#[test]
fn a_folder_that_a_layer_only_passes_through_keeps_its_mode() {
    let (folder, store) = store();
    let lower = LayerBuilder::new().with(|archive| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_mode(0o1777);
        header.set_size(0);
        header.set_mtime(1_500_000_000);
        archive.append_data(&mut header, "tmp/", std::io::empty()).expect("memory");
    });
    let upper = LayerBuilder::new().file("tmp/file", b"").build();
    load(&store, &image_folder(&folder.path().join("app"), "latest", &[lower.build(), upper]));
    let root = store.root(&store.find("app").expect("loaded")).expect("put together");
    let facts = fs::metadata(root.path.join("tmp")).expect("there");
    assert_eq!((facts.mode() & 0o7777, facts.mtime()), (0o1777, 1_500_000_000));
}

#[test]
fn what_a_tar_archive_can_say_is_kept() {
    let (folder, store) = store();
    let long = format!("{}/file", "long-name/".repeat(30).trim_end_matches('/'));
    let layer = LayerBuilder::new()
        .file("one", b"shared")
        .hard_link("two", "one")
        .hard_link("three", "/one")
        .symlink("absolute", "/one")
        .raw(EntryType::Fifo, "fifo", "", b"")
        .with(|archive| {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o4755);
            header.set_size(4);
            header.set_mtime(1_234_567_890);
            archive.append_pax_extensions([("SCHILY.xattr.user.note", &b"a\0b"[..])]).expect("memory");
            archive.append_data(&mut header, &long, &b"long"[..]).expect("memory");
        })
        .build();
    let told = load(&store, &image_folder(&folder.path().join("app"), "latest", &[layer]));
    let root = store.root(&store.find("app").expect("loaded")).expect("put together").path;
    let facts = |name: &str| fs::symlink_metadata(root.join(name)).expect("there");
    assert_eq!(facts("one").ino(), facts("two").ino());
    assert_eq!(facts("one").ino(), facts("three").ino());
    assert_eq!(fs::read_link(root.join("absolute")).expect("a link"), Path::new("/one"));
    assert_eq!(facts("fifo").mode() & libc::S_IFMT, libc::S_IFIFO);
    let note = attribute(&root.join(&long), c"user.note");
    // Where the file system has no such attributes, there is a note instead.
    assert!(note.as_deref() == Some(b"a\0b") || told.notes.iter().any(|note| note.contains("user.note")));
    assert_eq!((facts(&long).mode() & 0o7777, facts(&long).mtime()), (0o4755, 1_234_567_890));
}

fn attribute(file: &Path, name: &std::ffi::CStr) -> Option<Vec<u8>> {
    let path = std::ffi::CString::new(file.as_os_str().as_encoded_bytes()).expect("no zero byte");
    let mut value = vec![0; 100];
    // SAFETY: two zero-terminated strings, and a buffer of the given length.
    let length =
        unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    value.truncate(usize::try_from(length).ok()?);
    Some(value)
}

#[test]
fn a_docker_archive_of_a_layer_that_is_there_compressed_is_not_read() {
    let (folder, store) = store();
    let layers = [LayerBuilder::new().file("a", b"content").build()];
    load(&store, &image_folder(&folder.path().join("app"), "latest", &layers));
    let config = config_document(&host_platform(), &layers, json!({ "Cmd": ["other"] }));
    let manifest = json!([{ "Config": "config.json", "RepoTags": ["docker:1"], "Layers": ["not-there"] }]);
    let files =
        [("config.json".to_owned(), config), ("manifest.json".to_owned(), manifest.to_string().into_bytes())];
    let place = folder.path().join("docker.tar");
    fs::write(&place, archive(&files)).expect("written");
    assert_eq!(load(&store, &place).known_layers, 1);
    store.root(&store.find("docker:1").expect("loaded")).expect("put together");
}

#[test]
fn sparse_files_of_gnu_tar_come_out_whole() {
    let scratch = tempfile::tempdir().expect("a folder");
    let file = scratch.path().join("sparse");
    let mut content = vec![0; 3 << 20];
    content[1 << 20] = 1;
    content[(3 << 20) - 1] = 2;
    {
        use std::os::unix::fs::FileExt;
        let file = fs::File::create(&file).expect("made");
        file.set_len(3 << 20).expect("grown");
        file.write_at(&[1], 1 << 20).expect("written");
        file.write_at(&[2], (3 << 20) - 1).expect("written");
    }
    for format in [
        &["--format=gnu"][..],
        &["--format=pax", "--sparse-version=1.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=0.0"],
    ] {
        let output = std::process::Command::new("tar")
            .args(["--create", "--sparse", "--file=-"])
            .args(format)
            .arg("--directory")
            .arg(scratch.path())
            .arg("sparse")
            .output()
            .expect("tar");
        assert!(output.status.success());
        let to = tempfile::tempdir().expect("a folder");
        unpack(&output.stdout[..], to.path(), 4 << 20).unwrap_or_else(|error| panic!("{format:?}: {error}"));
        assert!(fs::read(to.path().join("sparse")).expect("there") == content, "{format:?}");
        let blocks = fs::metadata(to.path().join("sparse")).expect("there").blocks();
        assert!(blocks * 512 < 1 << 20, "{format:?}: {blocks} blocks");
        // Its size counts, not what it takes on the disk.
        let to = tempfile::tempdir().expect("a folder");
        assert!(matches!(unpack(&output.stdout[..], to.path(), 1 << 20), Err(super::UnpackError::TooLarge)));
    }
}

#[test]
fn hostile_layers_are_refused_with_their_reason() {
    let cases = [
        (LayerBuilder::new().file("../escape", b""), "leads out"),
        (LayerBuilder::new().file("a/../../escape", b""), "leads out"),
        (LayerBuilder::new().file("/etc/passwd", b""), "leads out"),
        (LayerBuilder::new().file("a\n\u{1b}[2J/../b", b""), "leads out"),
        (LayerBuilder::new().file("a\n", b"").file("a\n/\u{1b}[2J", b""), "not a folder"),
        (LayerBuilder::new().symlink("way", "/").file("way/escape", b""), "symbolic link way"),
        (LayerBuilder::new().symlink("way", "../..").file("way/a/escape", b""), "symbolic link way"),
        (LayerBuilder::new().symlink("a", "b").symlink("b", "a").file("a/x", b""), "symbolic link a"),
        (LayerBuilder::new().file("a", b"").file("a/b", b""), "not a folder"),
        (LayerBuilder::new().hard_link("a", "../../etc/passwd"), "outside"),
        (LayerBuilder::new().hard_link("a", "/etc/passwd"), "does not hold"),
        (LayerBuilder::new().hard_link("a", "b").hard_link("b", "a"), "does not hold"),
        (LayerBuilder::new().file("a", b"").hard_link("a", "a"), "itself"),
        (LayerBuilder::new().folder("a/").hard_link("b", "a"), "folder"),
        (LayerBuilder::new().symlink("way", "/etc").hard_link("b", "way/passwd"), "symbolic link way"),
        (LayerBuilder::new().file(".wh.", b""), "whiteout of nothing"),
        (LayerBuilder::new().file("a/.wh...", b""), "folder itself"),
        (LayerBuilder::new().folder(".wh.a/"), "regular file"),
        (LayerBuilder::new().file(".wh.a/b", b""), "cannot be a folder"),
        (LayerBuilder::new().raw(EntryType::new(b'Z'), "a", "", b""), "unknown type"),
    ];
    for (layer, reason) in cases {
        let error = refused(layer.build());
        assert!(error.contains(reason), "{error} does not say: {reason}");
    }
}

#[test]
fn sizes_in_headers_are_not_believed() {
    let absurd = |kind: EntryType, size: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_path("a").expect("short");
        header.set_mode(0o644);
        header.set_size(size);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    assert!(refused(absurd(EntryType::Regular, u64::MAX / 2)).contains("raise --limit"));
    assert!(refused(absurd(EntryType::Regular, 1 << 20)).contains("truncated"));
    assert!(refused(absurd(EntryType::GNULongName, 1 << 40)).contains("broken or truncated"));
    let mut long = absurd(EntryType::GNULongName, 64 << 20);
    long.resize(64 << 20, b'a');
    assert!(refused(long).contains("absurd size"));
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    let (folder, store) = store();
    let bomb = LayerBuilder::new().file("zeros", &vec![0; 8 << 20]).build();
    let place = image_folder(&folder.path().join("bomb"), "latest", &[bomb]);
    let limit = |limit| LoadOptions { limit, ..LoadOptions::default() };
    let error = store.load(&place, &limit(4 << 20)).expect_err("too large").to_string();
    assert!(error.contains("--limit"), "{error}");
    assert_eq!(store.images().expect("readable").len(), 0);
    store.load(&place, &limit(16 << 20)).expect("small enough now");
    // Behind the end of the archive, where nothing is unpacked.
    let tail = [LayerBuilder::new().file("a", b"").build(), vec![0; 8 << 20]].concat();
    let place = image_folder(&folder.path().join("tail"), "latest", &[tail]);
    assert!(store.load(&place, &limit(4 << 20)).is_err());
}

#[test]
fn what_is_not_as_promised_is_refused() {
    let layer = LayerBuilder::new().file("a", b"content").build();
    let (folder, store) = store();
    let place = image_folder(&folder.path().join("app"), "latest", std::slice::from_ref(&layer));
    let empty = listing(&folder.path().join("store"));
    for entry in fs::read_dir(place.join("blobs/sha256")).expect("there").flatten() {
        let good = fs::read(entry.path()).expect("there");
        let mut changed = good.clone();
        *changed.last_mut().expect("not empty") ^= 1;
        for bad in [changed, good[..good.len() / 2].to_vec()] {
            fs::write(entry.path(), bad).expect("written");
            assert!(store.load(&place, &LoadOptions::default()).is_err(), "{}", entry.path().display());
        }
        fs::remove_file(entry.path()).expect("removed");
        let error = store.load(&place, &LoadOptions::default()).expect_err("incomplete").to_string();
        assert!(error.contains("missing"), "{error}");
        fs::write(entry.path(), good).expect("written");
    }
    // A layer that is as shipped, but not what the configuration promises when unpacked.
    let mut layout = LayoutBuilder::new();
    let other = LayerBuilder::new().file("b", b"content").build();
    let (config, config_size) = layout.blob(config_document(&host_platform(), &[other], json!({})));
    let (blob, size) = layout.blob(layer);
    let manifest = json!({
        "schemaVersion": 2,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": config_size },
        "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": blob, "size": size }],
    });
    let (digest, size) = layout.blob(manifest.to_string().into_bytes());
    layout.manifests.push(
        json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size }),
    );
    let wrong = layout.write_folder(&folder.path().join("wrong"));
    let error = store.load(&wrong, &LoadOptions::default()).expect_err("refused").to_string();
    assert!(error.contains("unpacked") && error.contains("promised"), "{error}");
    assert_eq!(
        listing(&folder.path().join("store"))
            .into_iter()
            .filter(|line| !line.starts_with("lock"))
            .collect::<Vec<_>>(),
        empty
    );
}

#[test]
fn files_that_are_no_image_are_refused() {
    let (folder, store) = store();
    let place = folder.path().join("file");
    let truncated = {
        let layer = LayerBuilder::new().file("a", &[7; 5000]).build();
        let layout = LayoutBuilder::new().image("x", &host_platform(), Packing::Plain, &[layer], json!({}));
        let whole = layout.archive();
        [packed(&whole, Packing::Gzip)[..300].to_vec(), whole[..whole.len() / 2].to_vec()]
    };
    let plain =
        [b"".to_vec(), b"some text".to_vec(), vec![0; 4096], LayerBuilder::new().file("a", b"").build()];
    for bytes in plain.into_iter().chain(truncated) {
        fs::write(&place, bytes).expect("written");
        let error = store.load(&place, &LoadOptions::default()).expect_err("refused").to_string();
        assert!(error.contains("file") && !error.contains('\n'), "{error}");
    }
    assert!(store.load(&folder.path().join("none"), &LoadOptions::default()).is_err());
    assert!(store.load(folder.path(), &LoadOptions::default()).is_err());
    assert!(store.images().expect("readable").is_empty());
}

#[test]
fn the_image_for_this_host_is_chosen_and_another_refused_by_name() {
    let (folder, store) = store();
    let here = LayerBuilder::new().file("here", b"").build();
    let there = LayerBuilder::new().file("there", b"").build();
    let both = LayoutBuilder::new()
        .image("1", "linux/s390x", Packing::Gzip, std::slice::from_ref(&there), json!({}))
        .image("1", &host_platform(), Packing::Gzip, &[here], json!({}));
    // The same, with the platforms in an index of their own.
    let mut nested = LayoutBuilder { files: both.files.clone(), manifests: Vec::new() };
    let (digest, size) = nested.blob(both.index().to_string().into_bytes());
    nested.manifests.push(json!({
        "mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest, "size": size,
        "annotations": { "org.opencontainers.image.ref.name": "1" },
    }));
    for (name, layout) in [("flat", both), ("nested", nested)] {
        load(&store, &layout.write_folder(&folder.path().join(name)));
        let image = store.find(&format!("{name}:1")).expect("loaded");
        assert!(store.root(&image).expect("put together").path.join("here").exists());
    }
    let other = LayoutBuilder::new().image("1", "linux/s390x", Packing::Gzip, &[there], json!({}));
    let place = other.write_folder(&folder.path().join("other"));
    let error = store.load(&place, &LoadOptions::default()).expect_err("refused").to_string();
    assert!(error.contains("linux/s390x") && error.contains(&host_platform()), "{error}");
}

fn two_images(folder: &Path, store: &Store) -> [Image; 2] {
    let base = LayerBuilder::new().file("base", b"base").build();
    let images = ["one", "two"].map(|name| {
        let own = LayerBuilder::new().file(name, name.as_bytes()).build();
        load(store, &image_folder(&folder.join(name), "latest", &[base.clone(), own]));
        store.find(name).expect("loaded")
    });
    assert_eq!(images[0].layers[0], images[1].layers[0]);
    images
}

#[test]
fn removing_an_image_leaves_what_others_use() {
    let (folder, store) = store();
    let [one, two] = two_images(folder.path(), &store);
    let before = listing(&store.root(&two).expect("put together").path);
    let root = store.root(&one).expect("put together");
    assert!(store.remove("one").is_err_and(|error| error.to_string().contains("in use")));
    drop(root);
    store.remove("one").expect("removed");
    assert!(store.find("one").is_err());
    assert!(!store.layer_folder(one.layers[1].diff_id).exists());
    assert_eq!(listing(&store.root(&two).expect("still there").path), before);
    store.remove(&two.id.short()).expect("removed");
    let left = listing(&folder.path().join("store"));
    assert_eq!(
        left.len(),
        ["blobs", "blobs/sha256", "builds", "layers", "roots", "steps", "tmp", "lock", "images.json"].len(),
        "{left:?}"
    );
}

#[test]
fn a_name_moves_to_the_image_loaded_last_and_prune_takes_the_other() {
    let (folder, store) = store();
    let place = |name: &str, content: &[u8]| {
        let layer = LayerBuilder::new().file("a", content).build();
        image_folder(&folder.path().join(name).join("app"), "latest", &[layer])
    };
    load(&store, &place("old", b"old"));
    let old = store.find("app").expect("loaded");
    load(&store, &place("new", b"new"));
    assert_ne!(store.find("app").expect("loaded").id, old.id);
    assert_eq!(store.images().expect("readable").len(), 2);
    assert!(store.find(&old.id.short()).expect("still there").names.is_empty());
    let (freed, told) = store.prune().expect("pruned");
    assert!(freed > 0 && told.len() == 1, "{freed} {told:?}");
    assert_eq!(store.images().expect("readable").len(), 1);
}

#[test]
fn what_a_killed_process_left_is_swept() {
    let (folder, store) = store();
    two_images(folder.path(), &store);
    let before = listing(&folder.path().join("store"));
    let left = folder.path().join("store/tmp/new-left/layer/tree");
    fs::create_dir_all(&left).expect("made");
    fs::write(left.join("file"), "half").expect("written");
    fs::set_permissions(&left, std::os::unix::fs::PermissionsExt::from_mode(0o000)).expect("closed");
    store.prune().expect("swept");
    assert_eq!(listing(&folder.path().join("store")), before);
}

#[test]
fn a_saved_image_loads_as_the_same_image() {
    let (folder, store) = store();
    let [one, _] = two_images(folder.path(), &store);
    let file = folder.path().join("saved.tar");
    let name = "registry.example:5000/team/app:v2".parse().expect("a name");
    store.save(&one, Some(&name), &file).expect("saved");
    let again = folder.path().join("again.tar");
    store.save(&one, Some(&name), &again).expect("saved");
    assert_eq!(fs::read(&file).expect("there"), fs::read(&again).expect("there"));
    let (_other_folder, other) = super::testing::store();
    load(&other, &file);
    let loaded = other.find("registry.example:5000/team/app:v2").expect("loaded");
    assert_eq!((loaded.id, loaded.manifest_digest), (one.id, one.manifest_digest));
}

#[test]
fn two_loads_at_once_are_both_there() {
    let (folder, store) = store();
    let places: Vec<_> = (0..4u8)
        .map(|number| {
            let layer = LayerBuilder::new().file("a", &[number / 2; 3000]).build();
            image_folder(&folder.path().join(format!("app{number}")), "latest", &[layer])
        })
        .collect();
    std::thread::scope(|scope| {
        for place in &places {
            let store = Store::open(folder.path().join("store")).expect("opened");
            scope.spawn(move || load(&store, place));
        }
    });
    for number in 0..4 {
        let image = store.find(&format!("app{number}")).expect("loaded");
        store.root(&image).expect("put together");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the bytes: nothing is written beside the folder, and nothing panics.
    #[test]
    fn no_bytes_write_outside(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
        flips in proptest::collection::vec((0usize..6000, any::<u8>()), 0..6),
        whole in any::<bool>(),
    ) {
        if whole {
            bytes = LayerBuilder::new()
                .folder("d/").file("d/f", b"content").symlink("d/s", "../../x").hard_link("h", "d/f").file("d/.wh.a", b"")
                .build();
            for (at, byte) in flips {
                if let Some(place) = bytes.get_mut(at) {
                    *place ^= byte;
                }
            }
        }
        let folder = tempfile::tempdir().expect("a folder");
        let to = folder.path().join("to");
        fs::create_dir(&to).expect("made");
        let _ = unpack(&bytes[..], &to, 1 << 20);
        prop_assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    /// Whatever is wrong with an archive: it is loaded whole, or the store is as it was.
    #[test]
    fn a_damaged_archive_is_loaded_whole_or_not_at_all(
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let layers = [LayerBuilder::new().file("a", b"content").build(), LayerBuilder::new().file(".wh.a", b"").build()];
        let layout = LayoutBuilder::new().image("1", &host_platform(), Packing::Gzip, &layers, json!({}));
        let mut bytes = layout.archive();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let (folder, store) = store();
        // Makes the lock.
        store.prune().expect("empty");
        let place = folder.path().join("damaged.tar");
        fs::write(&place, bytes).expect("written");
        let before = listing(&folder.path().join("store"));
        match store.load(&place, &LoadOptions::default()) {
            Err(_) => prop_assert_eq!(listing(&folder.path().join("store")), before),
            Ok(_) => {
                for image in store.images().expect("readable") {
                    let root = store.root(&image).expect("put together");
                    prop_assert_eq!(fs::read_dir(&root.path).expect("readable").count(), 0);
                }
            }
        }
    }
}

/// Seeds for the fuzz targets `image_layer` and `image_archive`, in `fuzz/corpus/`: what a fuzzer would hardly come
/// upon by itself, such as a right checksum or digest. `cargo test --lib seeds -- --ignored` writes them.
#[test]
#[ignore = "writes files into the source tree"]
fn seeds_for_the_fuzz_targets() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let layers = [
        LayerBuilder::new()
            .folder("a/")
            .file("a/b", b"content")
            .symlink("a/c", "b")
            .hard_link("d", "a/b")
            .build(),
        LayerBuilder::new().file("a/.wh.b", b"").file("a/.wh..wh..opq", b"").file("a/e", b"new").build(),
        LayerBuilder::new()
            .raw(EntryType::Fifo, "fifo", "", b"")
            .raw(EntryType::Char, "device", "", b"")
            .build(),
        LayerBuilder::new()
            .with(|archive| {
                let attributes: [(&str, &[u8]); 2] = [("SCHILY.xattr.user.x", b"1"), ("mtime", b"5.25")];
                archive.append_pax_extensions(attributes).expect("memory");
                let mut header = tar::Header::new_ustar();
                header.set_size(3);
                archive.append_data(&mut header, "n".repeat(300), &b"abc"[..]).expect("memory");
            })
            .build(),
    ];
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join(name), bytes).expect("written");
    };
    for (number, layer) in layers.iter().enumerate() {
        write("image_layer", &format!("layer-{number}"), layer);
    }
    let platform = host_platform();
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let layout = LayoutBuilder::new().image("1", &platform, packing, &layers, json!({ "Cmd": ["a"] }));
        write("image_archive", &format!("layout-{packing:?}"), &layout.archive());
        write("image_archive", &format!("packed-{packing:?}"), &packed(&layout.archive(), packing));
    }
    let config = config_document(&platform, &layers[..1], json!({}));
    let manifest = json!([{ "Config": "c.json", "RepoTags": ["a:1"], "Layers": ["l.tar"] }]).to_string();
    let files = [("c.json", config), ("l.tar", layers[0].clone()), ("manifest.json", manifest.into_bytes())];
    write("image_archive", "docker", &archive(&files.map(|(name, bytes)| (name.to_owned(), bytes))));
}
