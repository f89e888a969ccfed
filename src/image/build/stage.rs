//! One stage of a build: the configuration and the layers so far.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::entries::digest_of;
use crate::image::digest::Digest;
use crate::image::error::ImageError;
use crate::image::flatten::{flatten, remove_tree};
use crate::image::layout::host_platform;
use crate::image::store::{Image, ImageLayer, Store};

/// What a stage has come to.
pub(super) struct State {
    /// The image's configuration document. As JSON, so that what the base says and we do not know stays.
    document: Value,
    pub(super) layers: Vec<ImageLayer>,
    /// The layers put together, and how many of them; made when first needed.
    tree: Option<(PathBuf, usize)>,
    /// `CMD` comes from this Containerfile.
    own_cmd: bool,
    created: String,
}

impl State {
    /// `FROM scratch`.
    pub(super) fn scratch(created: String) -> State {
        let platform = host_platform();
        let (os, architecture) = platform.split_once('/').unwrap_or(("linux", "amd64"));
        let document = json!({ "architecture": architecture, "os": os, "config": {}, "history": [] });
        State { document, layers: Vec::new(), tree: None, own_cmd: false, created }
    }

    /// `FROM` an image of the store.
    pub(super) fn of_image(store: &Store, image: &Image, created: String) -> Result<State, ImageError> {
        let path = store.blob_path(image.id);
        let text = fs::read(&path).map_err(ImageError::at("reading", &path))?;
        let document = serde_json::from_slice(&text)
            .map_err(|error| ImageError::at("reading", &path)(std::io::Error::from(error)))?;
        Ok(State { document, layers: image.layers.clone(), tree: None, own_cmd: false, created })
    }

    /// `FROM` a stage before.
    pub(super) fn of_stage(stage: &State) -> State {
        State {
            document: stage.document.clone(),
            layers: stage.layers.clone(),
            tree: None,
            own_cmd: false,
            created: stage.created.clone(),
        }
    }

    /// What stands for the files so far in the key of a cached step.
    pub(super) fn chain(&self) -> Digest {
        let mut hasher = Sha256::new();
        for layer in &self.layers {
            hasher.update(layer.diff_id.hex().as_bytes());
        }
        digest_of(hasher)
    }

    /// The layers put together, in a folder below `folder`.
    pub(super) fn tree(&mut self, store: &Store, folder: &Path) -> Result<PathBuf, ImageError> {
        if let Some((tree, layers)) = &self.tree {
            if *layers == self.layers.len() {
                return Ok(tree.clone());
            }
            remove_tree(tree).map_err(ImageError::at("removing", tree))?;
        }
        let tree = tempfile::Builder::new().prefix("tree-").tempdir_in(folder);
        let tree = tree.map_err(ImageError::at("making a folder in", folder))?.keep();
        let layers = self.layers.iter().map(|layer| store.layer(layer.diff_id));
        flatten(&layers.collect::<Result<Vec<_>, _>>()?, &tree)?;
        self.tree = Some((tree.clone(), self.layers.len()));
        Ok(tree)
    }

    /// A step is done, with the layer that it made.
    pub(super) fn done(&mut self, text: &str, layer: Option<ImageLayer>) {
        let mut step = json!({ "created": self.created, "created_by": text });
        match layer {
            Some(layer) => self.layers.push(layer),
            None => step["empty_layer"] = Value::Bool(true),
        }
        match self.document.get_mut("history").and_then(Value::as_array_mut) {
            Some(history) => history.push(step),
            None => self.document["history"] = json!([step]),
        }
    }

    /// The variables, as `NAME=value`.
    pub(super) fn env(&self) -> Vec<String> {
        self.list("Env")
    }

    /// The value of a variable.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.env().iter().find_map(|variable| {
            variable.split_once('=').filter(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
        })
    }

    /// Sets a variable in place of one of the same name.
    pub(super) fn set_variable(&mut self, name: &str, value: &str) {
        let mut all = self.env();
        let new = format!("{name}={value}");
        match all.iter_mut().find(|variable| variable.split('=').next() == Some(name)) {
            Some(variable) => *variable = new,
            None => all.push(new),
        }
        self.set("Env", json!(all));
    }

    pub(super) fn label(&mut self, name: &str, value: &str) {
        let mut labels = self.config("Labels").cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
        labels[name] = json!(value);
        self.set("Labels", labels);
    }

    /// An absolute path.
    pub(super) fn working_dir(&self) -> String {
        let folder = self.config("WorkingDir").and_then(Value::as_str).unwrap_or_default();
        normal(&Path::new("/").join(folder))
    }

    /// Relative to the one so far.
    pub(super) fn enter(&mut self, folder: &str) {
        let folder = normal(&Path::new(&self.working_dir()).join(folder));
        self.set("WorkingDir", json!(folder));
    }

    pub(super) fn user(&self) -> String {
        self.config("User").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(super) fn set_user(&mut self, user: &str) {
        self.set("User", json!(user));
    }

    /// A `CMD` of the base is meant for the base's own entry point.
    pub(super) fn set_entrypoint(&mut self, words: &[String]) {
        self.set("Entrypoint", json!(words));
        if !self.own_cmd {
            self.set("Cmd", Value::Null);
        }
    }

    pub(super) fn set_cmd(&mut self, words: &[String]) {
        self.set("Cmd", json!(words));
        self.own_cmd = true;
    }

    /// The configuration document of the image, in the same bytes for the same content.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, serde_json::Error> {
        let ids: Vec<String> = self.layers.iter().map(|layer| layer.diff_id.to_string()).collect();
        self.document["rootfs"] = json!({ "type": "layers", "diff_ids": ids });
        self.document["created"] = json!(self.created);
        serde_json::to_vec(&self.document)
    }

    fn config(&self, key: &str) -> Option<&Value> {
        self.document.get("config").and_then(|config| config.get(key))
    }

    fn set(&mut self, key: &str, value: Value) {
        if !self.document.get("config").is_some_and(Value::is_object) {
            self.document["config"] = json!({});
        }
        match (value, self.document.get_mut("config").and_then(Value::as_object_mut)) {
            (Value::Null, Some(config)) => drop(config.remove(key)),
            (value, Some(config)) => drop(config.insert(key.to_owned(), value)),
            _ => {}
        }
    }

    fn list(&self, key: &str) -> Vec<String> {
        let list = self.config(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// Without `.` and `..`.
fn normal(path: &Path) -> String {
    let mut normal = PathBuf::from("/");
    for component in path.components() {
        match component {
            std::path::Component::Normal(name) => normal.push(name),
            std::path::Component::ParentDir => drop(normal.pop()),
            _ => {}
        }
    }
    normal.to_string_lossy().into_owned()
}
