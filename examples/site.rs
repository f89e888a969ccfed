//! The published site: README and docs as pages, with the reports beside them, as one folder.
//!
//!     cargo run --example site -- OUTPUT
//!
//! Every relative link is followed: one that leads nowhere in the repository is an error, so that the site has none.
//! Links to sources lead to the repository, where `GITHUB_SERVER_URL` and `GITHUB_REPOSITORY` say where that is.

use std::error::Error;
use std::path::{Component, Path, PathBuf};
use std::{env, fs, io};

use minijinja::{Environment, context};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

const STYLE: &str = include_str!("../src/report/templates/style.css");
const PAGE: &str = include_str!("site.html");

/// A document and where its page goes, both relative to their roots.
struct Document {
    source: PathBuf,
    page: PathBuf,
    title: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let output = PathBuf::from(env::args_os().nth(1).ok_or("say where to write the site")?);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = Vec::new();
    for name in ["README.md", "README.ko.md"] {
        documents.push(document(root, Path::new(name))?);
    }
    find(root, Path::new("docs"), &mut documents)?;
    let mut templates = Environment::new();
    templates.add_template("site.html", PAGE)?;
    let mut broken = Vec::new();
    for document in &documents {
        let markdown = fs::read_to_string(root.join(&document.source))?;
        let body = body(root, document, &markdown, &mut broken);
        let to_top = "../".repeat(document.page.components().count() - 1);
        let links: Vec<_> = documents
            .iter()
            .map(|other| {
                let current = other.page == document.page;
                context! { target => format!("{to_top}{}", other.page.display()), title => other.title, current }
            })
            .collect();
        let is_korean = document.source.to_string_lossy().ends_with(".ko.md");
        let page = templates.get_template("site.html")?.render(context! {
            language => if is_korean { "ko" } else { "en" },
            title => document.title,
            style => STYLE,
            report => format!("{to_top}reports/index.html"),
            links,
            body,
        })?;
        let path = output.join(&document.page);
        fs::create_dir_all(path.parent().ok_or("a page without a folder")?)?;
        fs::write(path, page)?;
    }
    copy(&root.join("docs"), &output.join("docs"), &|path| path.extension().is_none_or(|kind| kind != "md"))?;
    copy(&root.join("reports"), &output.join("reports"), &|_| true)?;
    // The newest report is the one to see first; the checked-in example where this machine made none.
    let newest = if root.join("reports/latest/index.html").exists() { "latest" } else { "example" };
    let forward = format!(
        "<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0; url={newest}/\"><a href=\"{newest}/\">{newest}</a>\n"
    );
    fs::write(output.join("reports/index.html"), forward)?;
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n").into()) }
}

fn document(root: &Path, source: &Path) -> io::Result<Document> {
    let markdown = fs::read_to_string(root.join(source))?;
    let title = markdown.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or("isobench").to_owned();
    Ok(Document { source: source.to_owned(), page: page_of(source), title })
}

/// `README.md` is the front, any other document keeps its place.
fn page_of(source: &Path) -> PathBuf {
    match source.to_str() {
        Some("README.md") => "index.html".into(),
        Some("README.ko.md") => "index.ko.html".into(),
        _ => source.with_extension("html"),
    }
}

/// Every document below a folder, in the order of their names.
fn find(root: &Path, folder: &Path, found: &mut Vec<Document>) -> io::Result<()> {
    let mut names: Vec<_> =
        fs::read_dir(root.join(folder))?.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    for name in names {
        let path = folder.join(name);
        if root.join(&path).is_dir() {
            find(root, &path, found)?;
        } else if path.extension().is_some_and(|kind| kind == "md") {
            found.push(document(root, &path)?);
        }
    }
    Ok(())
}

/// The HTML of a document; its links lead to pages instead of sources, and its headings can be linked to.
fn body(root: &Path, document: &Document, markdown: &str, broken: &mut Vec<String>) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_HEADING_ATTRIBUTES;
    let mut events: Vec<Event> = Parser::new_ext(markdown, options).collect();
    for at in 0..events.len() {
        let text = heading_text(&events[at..]);
        match &mut events[at] {
            Event::Start(Tag::Heading { id, .. }) if id.is_none() => *id = Some(slug(&text).into()),
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                match link(root, document, dest_url) {
                    Ok(target) => *dest_url = target,
                    Err(why) => broken.push(format!("{}: {why}", document.source.display())),
                }
            }
            _ => {}
        }
    }
    let mut body = String::new();
    html::push_html(&mut body, events.into_iter());
    body
}

/// The words of the heading that begins here; empty where none does.
fn heading_text(events: &[Event]) -> String {
    let Some(Event::Start(Tag::Heading { .. })) = events.first() else { return String::new() };
    let inside = events.iter().take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    inside
        .filter_map(|event| match event {
            Event::Text(text) | Event::Code(text) => Some(&**text),
            _ => None,
        })
        .collect()
}

/// As GitHub makes the anchor of a heading.
fn slug(text: &str) -> String {
    text.to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' | '-' => Some('-'),
            c if c.is_alphanumeric() || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

/// Where a link of a document leads on the site.
fn link<'a>(root: &Path, document: &Document, target: &CowStr<'a>) -> Result<CowStr<'a>, String> {
    let (path, anchor) = target.split_once('#').map_or((&**target, ""), |(path, anchor)| (path, anchor));
    if path.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return Ok(target.clone());
    }
    let folder = document.source.parent().unwrap_or(Path::new(""));
    let source = normal(&folder.join(path)).ok_or_else(|| format!("{target} leads out of the repository"))?;
    if !root.join(&source).exists() {
        return Err(format!("{target} leads nowhere"));
    }
    let to_top = "../".repeat(document.page.components().count() - 1);
    let anchor = if anchor.is_empty() { String::new() } else { format!("#{anchor}") };
    let name = source.to_string_lossy();
    let page = match &*name {
        // A report in Markdown is the same as its page.
        report if report.starts_with("reports/") => report.replace("report.md", "index.html"),
        document if document.ends_with(".md") => page_of(&source).to_string_lossy().into_owned(),
        file if file.starts_with("docs/") && root.join(file).is_file() => file.to_owned(),
        other => {
            let repository = [env::var("GITHUB_SERVER_URL"), env::var("GITHUB_REPOSITORY")];
            let [Ok(server), Ok(repository)] = repository else { return Ok(target.clone()) };
            return Ok(format!("{server}/{repository}/blob/main/{other}{anchor}").into());
        }
    };
    Ok(format!("{to_top}{page}{anchor}").into())
}

/// Without `.` and `..`; `None` when it leaves the repository.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir if normal.pop() => {}
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(normal)
}

fn copy(from: &Path, to: &Path, wanted: &dyn Fn(&Path) -> bool) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)?.flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target, wanted)?;
        } else if wanted(&path) {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
