//! `isobench maintain`: layers and disk images, built, shipped, stored, rolled back, replaced.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Args;
use indicatif::HumanBytes;

use super::arguments::{kind, size};
use super::language::LanguageArgument;
use super::{Failure, interrupt};
use crate::experiment::maintenance::{Effort, Experiment, Outlook, Progress, Subject};
use crate::image::Store;
use crate::report;
use crate::results::Results;
use crate::runtime::Runtime;
use crate::runtime::launcher::Launcher;

/// Measure what it takes to maintain what runs in containers and in virtual machines.
///
/// Builds an image as layers and as a disk image; ships a change of one file, a dependency, the base; stores
/// and rolls back; replaces instances while requests arrive. Prints a table and writes index.html, report.md
/// and results.json.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct MaintainArguments {
    /// An image of the store (see isobench image); by default images are generated
    #[arg(long, value_name = "NAME[:TAG]", conflicts_with = "sizes")]
    image: Option<String>,

    /// Bytes of the files of generated images, separated by commas [default: 16M,100M]
    #[arg(long = "size", value_name = "SIZE", value_delimiter = ',', value_parser = size)]
    sizes: Vec<u64>,

    /// Instances for which storage and the kernel's update are counted
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    instances: u32,

    /// Some seconds, for a first look
    #[arg(long)]
    quick: bool,

    /// Print what would be measured and how much disk it needs, and measure nothing
    #[arg(long)]
    dry_run: bool,

    /// The folder for what is made on the way; all of it is removed in the end
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    scratch: PathBuf,

    /// The folder to write the report to
    #[arg(long, value_name = "DIR", default_value = "reports/maintenance", conflicts_with = "add_to")]
    output: PathBuf,

    /// Add what is measured to the results of a comparison on this host, and write its report anew
    #[arg(long, value_name = "FILE")]
    add_to: Option<PathBuf>,

    #[command(flatten)]
    language: LanguageArgument,
}

const EXAMPLES: &str = "\
Examples:
  isobench maintain
  isobench maintain --quick --size 20M
  isobench maintain --size 50M,200M,1G --instances 100 --scratch /var/tmp
  isobench maintain --image busybox
  isobench maintain --add-to reports/latest/results.json";

/// The runtimes whose instances are replaced: those that run from an image. A clone's image is its template's.
const MAINTAINED: [&str; 3] = ["container", "microvm", "linuxvm"];

pub fn run(arguments: MaintainArguments) -> Result<ExitCode, Failure> {
    let launcher = Launcher::start().map_err(Failure::failed)?;
    interrupt::install();
    let before = arguments.add_to.as_deref().map(report::file::read).transpose().map_err(Failure::failed)?;
    let output = match &arguments.add_to {
        Some(file) => file.parent().map(PathBuf::from).unwrap_or_default(),
        None => arguments.output.clone(),
    };
    let stored = match &arguments.image {
        Some(name) => {
            let store = Store::of_user().map_err(Failure::failed)?;
            let image = store.find(name).map_err(Failure::failed)?;
            Some((store, image))
        }
        None => None,
    };
    let subject = match &stored {
        Some((store, image)) => Subject::Stored(store, image),
        None => Subject::Generated(sizes(&arguments)),
    };
    let own: Vec<_> = MAINTAINED.iter().map(|name| launcher.runtime(kind(name))).filter(takes_part).collect();
    let experiment = Experiment {
        subject,
        runtimes: own.iter().map(|runtime| runtime as &dyn Runtime).collect(),
        instances: arguments.instances,
        effort: if arguments.quick { Effort::QUICK } else { Effort::DEFAULT },
        scratch: arguments.scratch.clone(),
        command: std::env::args().collect(),
    };
    if arguments.dry_run {
        print_outlook(&experiment.outlook().map_err(Failure::failed)?, &arguments);
        return Ok(ExitCode::SUCCESS);
    }
    report::file::prepare_folder(&output).map_err(Failure::failed)?;
    let results = experiment.run(&Reporter::default()).map_err(Failure::failed)?;
    for missing in results.maintenance.iter().flat_map(|measured| &measured.left_out) {
        eprintln!("isobench: not measured: {missing}");
    }
    let results = match before {
        Some(before) => joined(before, results)?,
        None => results,
    };
    super::compare::print_and_write((&results).into(), &output, arguments.language.get())?;
    Ok(interrupt::received().map_or(ExitCode::SUCCESS, |signal| ExitCode::from(128 + signal as u8)))
}

fn sizes(arguments: &MaintainArguments) -> Vec<u64> {
    let mut sizes = match (arguments.sizes.as_slice(), arguments.quick) {
        ([], true) => vec![16 << 20],
        ([], false) => vec![16 << 20, 100 << 20],
        (given, _) => given.to_vec(),
    };
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

fn takes_part(runtime: &impl Runtime) -> bool {
    match runtime.check() {
        Ok(_) => true,
        Err(missing) => {
            eprintln!("isobench: {} takes no part: {missing}", runtime.name());
            false
        }
    }
}

/// The comparison with what was measured now.
fn joined(mut before: Results, now: Results) -> Result<Results, Failure> {
    let named = |results: &Results| (results.host.cpu_model.clone(), results.host.kernel.clone());
    if named(&before) != named(&now) {
        return Err(Failure::failed(
            "the results are of another host (another CPU or kernel); isobench merge shows hosts side by side",
        ));
    }
    before.maintenance = now.maintenance;
    Ok(before)
}

fn print_outlook(outlook: &Outlook, arguments: &MaintainArguments) {
    let sizes: Vec<String> = outlook.sizes.iter().map(|bytes| HumanBytes(*bytes).to_string()).collect();
    println!("Images: {}, {}", arguments.image.as_deref().unwrap_or("generated"), sizes.join(", "));
    println!("Instances: {}", arguments.instances);
    println!("Steps: {}", outlook.steps);
    println!(
        "Disk in {}: about {} needed, {} free",
        arguments.scratch.display(),
        HumanBytes(outlook.needed_bytes),
        HumanBytes(outlook.free_bytes)
    );
}

/// A line for every step.
#[derive(Default)]
struct Reporter {
    done: AtomicUsize,
    all: AtomicUsize,
}

impl Progress for Reporter {
    fn steps(&self, all: usize) {
        self.all.store(all, Ordering::Relaxed);
    }

    fn step(&self, what: &str) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        eprintln!("isobench: {done} of {}: {what}", self.all.load(Ordering::Relaxed));
    }

    fn stop(&self) -> bool {
        interrupt::received().is_some()
    }
}
