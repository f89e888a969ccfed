//! `isobench image`: the store of images.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use indicatif::{BinaryBytes, HumanBytes};

use super::arguments::size;
use super::{Failure, interrupt};
use crate::image::{
    BuildOptions, Image, ImageName, LoadOptions, Progress, Store, build, difference, efficiency,
};
use crate::runtime::launcher::Launcher;

/// Load, look at and remove images.
///
/// The verbs are Docker's. Images come from files: OCI image layouts, and what docker save or podman save
/// writes; nothing is fetched from a network.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ImageArguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  docker save busybox -o busybox.tar && isobench image load busybox.tar
  isobench run --image busybox -- sh -c 'echo hello'
  isobench image efficiency busybox
  isobench image save busybox -o copy.tar && docker load -i copy.tar

The store is in $XDG_DATA_HOME/isobench, by default ~/.local/share/isobench.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Load the images of an OCI layout (folder or archive) or of a docker save archive
    Load {
        /// The file or folder
        #[arg(value_name = "FILE|DIR")]
        place: PathBuf,
        /// What to call the image, instead of its own name
        #[arg(long, value_name = "NAME[:TAG]", value_parser = name)]
        name: Option<ImageName>,
        /// Refuse layers that are larger than this when unpacked
        #[arg(long, value_name = "SIZE", default_value = "16G", value_parser = size)]
        limit: u64,
    },
    /// List the images
    Ls {
        /// Print a JSON document
        #[arg(long)]
        json: bool,
    },
    /// Remove names; an image without a name left is removed
    Rm {
        /// Names, or beginnings of identifiers
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
    /// Remove images without a name, and what no image uses
    Prune,
    /// Print an image's manifest and configuration as JSON
    Inspect {
        /// Name, or beginning of an identifier
        name: String,
    },
    /// Show the steps that made an image, the last first
    History {
        /// Name, or beginning of an identifier
        name: String,
    },
    /// Write an image to an archive that docker load, podman load, skopeo and umoci read
    Save {
        /// Name, or beginning of an identifier
        name: String,
        /// The archive to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Build an image from a Containerfile, without a network
    ///
    /// Known are FROM (scratch, an image of the store, a stage before), COPY, ADD, ENV, WORKDIR, USER, LABEL,
    /// ENTRYPOINT, CMD, and RUN in a container of ours. The same input gives the same image.
    Build {
        /// The folder that COPY copies from
        context: PathBuf,
        /// What to call the image; may be repeated
        #[arg(short, long = "tag", value_name = "NAME[:TAG]", value_parser = name)]
        tags: Vec<ImageName>,
        /// The Containerfile, instead of Containerfile or Dockerfile in the context
        #[arg(short, long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Do every step, whether its layer is there or not
        #[arg(long)]
        no_cache: bool,
        /// Refuse layers that are larger than this when unpacked
        #[arg(long, value_name = "SIZE", default_value = "16G", value_parser = size)]
        limit: u64,
        /// Memory that a RUN may use
        #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = size)]
        memory: u64,
    },
    /// Compare the files of two images, and say what must be shipped from one to the other
    Diff {
        /// The image that is there
        from: String,
        /// The image that is wanted
        to: String,
        /// Print a JSON document
        #[arg(long)]
        json: bool,
    },
    /// Say what each layer changes, and what of an image is shipped in vain
    Efficiency {
        /// Name, or beginning of an identifier
        name: String,
        /// Print a JSON document
        #[arg(long)]
        json: bool,
    },
}

fn name(text: &str) -> Result<ImageName, String> {
    text.parse().map_err(|error: crate::image::ImageError| error.to_string())
}

pub fn run(arguments: ImageArguments) -> Result<ExitCode, Failure> {
    // First thing, while the process is small: its steps run in containers.
    let launcher = match arguments.command {
        Command::Build { .. } => Some(Launcher::start().map_err(Failure::failed)?),
        _ => None,
    };
    let store = Store::of_user().map_err(Failure::failed)?;
    let text = match arguments.command {
        Command::Load { place, name, limit } => load(&store, &place, LoadOptions { name, limit })?,
        Command::Ls { json } => list(&store, json)?,
        Command::Rm { names } => {
            let mut lines = Vec::new();
            for name in names {
                lines.extend(store.remove(&name).map_err(Failure::failed)?);
            }
            joined(lines)
        }
        Command::Prune => {
            let (freed, mut lines) = store.prune().map_err(Failure::failed)?;
            lines.push(format!("freed: {}", HumanBytes(freed)));
            joined(lines)
        }
        Command::Inspect { name } => inspect(&find(&store, &name)?)?,
        Command::History { name } => history(&find(&store, &name)?),
        Command::Save { name, output } => {
            let image = find(&store, &name)?;
            let called = name.parse().ok().filter(|name| image.names.contains(name));
            let called = called.as_ref().or(image.names.first());
            store.save(&image, called, &output).map_err(Failure::failed)?;
            String::new()
        }
        Command::Build { context, tags, file, no_cache, limit, memory } => {
            let options =
                BuildOptions { file, context, names: tags, time: source_date()?, no_cache, limit, memory };
            made(&store, launcher.as_ref(), &options)?
        }
        Command::Diff { from, to, json } => diff(&store, &find(&store, &from)?, &find(&store, &to)?, json)?,
        Command::Efficiency { name, json } => in_vain(&store, &find(&store, &name)?, json)?,
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(Failure::failed)?;
    Ok(ExitCode::SUCCESS)
}

fn find(store: &Store, name: &str) -> Result<Image, Failure> {
    store.find(name).map_err(Failure::failed)
}

fn joined(lines: Vec<String>) -> String {
    lines.into_iter().map(|line| line + "\n").collect()
}

fn pretty(document: &impl serde::Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(document).map_err(Failure::failed)? + "\n")
}

fn load(store: &Store, place: &std::path::Path, options: LoadOptions) -> Result<String, Failure> {
    let mut lines = Vec::new();
    for image in store.load(place, &options).map_err(Failure::failed)? {
        let layers = format!("{} layers unpacked, {} already there", image.new_layers, image.known_layers);
        match image.names.is_empty() {
            true => lines.push(format!("loaded: {} ({layers})", image.id)),
            false => lines.extend(image.names.iter().map(|name| format!("loaded: {name} ({layers})"))),
        }
        for note in image.notes {
            eprintln!("isobench: {note}");
        }
    }
    Ok(joined(lines))
}

fn made(store: &Store, launcher: Option<&Launcher>, options: &BuildOptions) -> Result<String, Failure> {
    let Some(launcher) = launcher else { return Err(Failure::failed("no launcher")) };
    interrupt::install();
    let mut tell = |progress: Progress| match progress {
        Progress::Step { number, of, text } => eprintln!("[{number}/{of}] {text}"),
        Progress::Cached(layer) => eprintln!("    cached: layer {}", layer.diff_id.short()),
        Progress::Made(layer) => {
            eprintln!("    made: layer {}, {} to ship", layer.diff_id.short(), shown(layer.bytes));
        }
        Progress::Note(note) => eprintln!("isobench: {note}"),
    };
    let stop = || interrupt::received().is_some();
    let built = build(store, launcher, options, &stop, &mut tell).map_err(Failure::failed)?;
    let layers = format!("{} layers made, {} cached", built.made, built.cached);
    Ok(match options.names.is_empty() {
        true => format!("built: {} ({layers})\n", built.id),
        false => {
            options.names.iter().map(|name| format!("built: {name} {} ({layers})\n", built.id)).collect()
        }
    })
}

/// `SOURCE_DATE_EPOCH`, seconds since 1970; where it is not set, 0.
fn source_date() -> Result<u64, Failure> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text
            .parse()
            .map_err(|_| Failure::usage(format!("SOURCE_DATE_EPOCH={text}: not a number of seconds"))),
        Err(_) => Ok(0),
    }
}

fn list(store: &Store, json: bool) -> Result<String, Failure> {
    let images = store.images().map_err(Failure::failed)?;
    if json {
        let all: Vec<_> = images
            .iter()
            .map(|image| {
                serde_json::json!({
                    "id": image.id, "names": image.names, "layers": image.layers.len(), "bytes": image.bytes(),
                })
            })
            .collect();
        return pretty(&all);
    }
    let mut lines = vec![format!("{:<40} {:<12} {:>6} {:>12}", "NAME", "ID", "LAYERS", "SHIPPED")];
    for image in &images {
        let names: Vec<String> = image.names.iter().map(ToString::to_string).collect();
        let names = if names.is_empty() { vec!["<none>".to_owned()] } else { names };
        let (id, layers, bytes) = (image.id.short(), image.layers.len(), shown(image.bytes()));
        lines.extend(names.iter().map(|name| format!("{name:<40} {id:<12} {layers:>6} {bytes:>12}")));
    }
    Ok(joined(lines))
}

fn shown(bytes: u64) -> String {
    BinaryBytes(bytes).to_string()
}

fn inspect(image: &Image) -> Result<String, Failure> {
    pretty(&serde_json::json!({
        "id": image.id,
        "names": image.names,
        "manifestDigest": image.manifest_digest,
        "manifest": image.manifest,
        "config": image.config,
    }))
}

/// The history as the configuration tells it, with the layer that each step made.
fn history(image: &Image) -> String {
    let mut layers = image.layers.iter();
    let steps = image.config.history().clone().unwrap_or_default();
    let mut lines: Vec<String> = steps
        .iter()
        .map(|step| {
            let made = if step.empty_layer().unwrap_or(false) { None } else { layers.next() };
            let (layer, bytes) =
                made.map_or(("-".to_owned(), 0), |layer| (layer.diff_id.short(), layer.bytes));
            let by = step.created_by().clone().or_else(|| step.comment().clone()).unwrap_or_default();
            format!("{layer:<12} {:>12}  {}", shown(bytes), one_line(&by))
        })
        .collect();
    // What the history does not tell of.
    lines.extend(layers.map(|layer| format!("{:<12} {:>12}", layer.diff_id.short(), shown(layer.bytes))));
    lines.push(format!("{:<12} {:>12}  {}", "LAYER", "SHIPPED", "MADE BY"));
    lines.reverse();
    joined(lines)
}

/// Text of an image, which may hold anything, made safe for a terminal.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|letter| !letter.is_control()).collect()
}

fn diff(store: &Store, from: &Image, to: &Image, json: bool) -> Result<String, Failure> {
    let changes = difference(store, from, to).map_err(Failure::failed)?;
    if json {
        return pretty(&changes);
    }
    let mut lines = Vec::new();
    for (mark, paths) in [("A", &changes.added), ("C", &changes.changed), ("D", &changes.removed)] {
        lines.extend(paths.iter().map(|path| format!("{mark} /{}", one_line(&path.to_string_lossy()))));
    }
    lines.push(format!(
        "{} added, {} changed, {} removed",
        changes.added.len(),
        changes.changed.len(),
        changes.removed.len()
    ));
    lines.push(format!(
        "{} layers are shared; to ship: {} layers, {} ({} to who has neither image)",
        changes.shared_layers,
        changes.new_layers,
        shown(changes.shipped_bytes),
        shown(changes.all_bytes)
    ));
    Ok(joined(lines))
}

fn in_vain(store: &Store, image: &Image, json: bool) -> Result<String, Failure> {
    let found = efficiency(store, image).map_err(Failure::failed)?;
    if json {
        return pretty(&found);
    }
    let mut lines = vec![format!(
        "{:<12} {:>8} {:>8} {:>8} {:>12} {:>12} {:>12}",
        "LAYER", "ADDED", "CHANGED", "REMOVED", "UNPACKED", "SHADOWS", "DELETES"
    )];
    for (layer, changes) in image.layers.iter().zip(&found.layers) {
        lines.push(format!(
            "{:<12} {:>8} {:>8} {:>8} {:>12} {:>12} {:>12}",
            layer.diff_id.short(),
            changes.added,
            changes.changed,
            changes.removed,
            shown(changes.bytes),
            shown(changes.shadowed),
            shown(changes.deleted)
        ));
    }
    for (what, bytes) in [
        ("unpacked, all layers", found.total),
        ("seen in the end", found.visible),
        ("shadowed by a later layer", found.shadowed),
        ("shipped, then deleted", found.deleted),
        ("there under another path too", found.duplicated),
        ("shipped (compressed)", found.shipped),
        ("of that, shared with other images", found.shared_with_others),
    ] {
        lines.push(format!("{what:<36} {:>12}", shown(bytes)));
    }
    Ok(joined(lines))
}
