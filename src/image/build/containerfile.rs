//! A Containerfile, read: stages of steps, or the line that is not understood.
//!
//! The grammar is the business of the crate `parse-dockerfile`; here it is decided what of it is
//! supported. Whatever is not is refused by name: a step left out in silence would make another image.

use parse_dockerfile::{Command as Written, Flag, Instruction, Source, Span, UnescapedString};

use super::words;

/// A Containerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containerfile {
    /// In order; the last one is the image.
    pub stages: Vec<Stage>,
    /// The letter that takes the special meaning of the next one away.
    pub escape: char,
}

/// `FROM` and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// `AS NAME`.
    pub name: Option<String>,
    /// `scratch`, a stage before, or an image.
    pub base: String,
    /// Where `FROM` is, from 1.
    pub line: usize,
    /// In order.
    pub steps: Vec<Step>,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// From 1.
    pub line: usize,
    /// As written, in one line.
    pub text: String,
    /// What to do.
    pub action: Action,
}

/// What an instruction asks for. Variables are not replaced yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the instruction of that name")]
pub enum Action {
    /// `COPY`, and `ADD` of local files.
    Copy(Copy),
    Env(Vec<(String, String)>),
    Label(Vec<(String, String)>),
    Workdir(String),
    User(String),
    Entrypoint(Vec<String>),
    Cmd(Vec<String>),
    Run(Vec<String>),
}

/// What to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Paths or patterns.
    pub sources: Vec<String>,
    /// A path in the image.
    pub destination: String,
    /// The stage or image that holds the sources, instead of the context.
    pub from: Option<String>,
    /// `USER[:GROUP]`.
    pub owner: Option<String>,
    /// Permissions.
    pub mode: Option<u32>,
    /// `ADD`: tar archives are unpacked.
    pub unpack: bool,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// In words.
    pub what: String,
}

impl Containerfile {
    /// Reads `text`.
    ///
    /// # Errors
    /// The first line that is wrong, or not supported.
    pub fn parse(text: &str) -> Result<Containerfile, Problem> {
        let parsed = parse_dockerfile::parse(text).map_err(|error| {
            let line = error.line().max(1);
            // The message ends with the place, which we tell ourselves.
            let what = error.to_string();
            let what = what.split(" at line ").next().unwrap_or_default().to_owned();
            Problem { line, what }
        })?;
        let escape = parsed.parser_directives.escape.as_ref().map_or('\\', |directive| directive.value.value);
        let reader = Reader { text, escape };
        if let Some(argument) = parsed.global_args().next() {
            return Err(reader.unsupported("ARG", &argument.arg.span));
        }
        let mut stages: Vec<Stage> = Vec::new();
        for stage in parsed.stages() {
            let from = stage.from;
            if let Some(flag) = from.options.first() {
                return Err(reader.unsupported_flag("FROM", flag));
            }
            let steps = stage.instructions.iter().map(|instruction| reader.step(instruction));
            stages.push(Stage {
                name: from.as_.as_ref().map(|(_, name)| name.value.to_lowercase()),
                base: from.image.value.clone().into_owned(),
                line: reader.line(&from.from.span),
                steps: steps.collect::<Result<_, _>>()?,
            });
        }
        Ok(Containerfile { stages, escape })
    }
}

struct Reader<'a> {
    text: &'a str,
    escape: char,
}

impl Reader<'_> {
    fn step(&self, instruction: &Instruction<'_>) -> Result<Step, Problem> {
        let (name, keyword, end, action) = match instruction {
            Instruction::Copy(copy) => {
                let action = self.copy("COPY", &copy.options, &copy.src, &copy.dest)?;
                ("COPY", &copy.copy, copy.dest.span.end, action)
            }
            Instruction::Add(add) => {
                let action = self.copy("ADD", &add.options, &add.src, &add.dest)?;
                ("ADD", &add.add, add.dest.span.end, action)
            }
            Instruction::Env(env) => {
                let pairs = words::pairs(&env.arguments.value, self.escape)
                    .map_err(|what| self.problem(&env.env.span, what))?;
                ("ENV", &env.env, env.arguments.span.end, Action::Env(pairs))
            }
            Instruction::Label(label) => {
                let pairs = words::pairs(&label.arguments.value, self.escape)
                    .map_err(|what| self.problem(&label.label.span, what))?;
                ("LABEL", &label.label, label.arguments.span.end, Action::Label(pairs))
            }
            Instruction::Workdir(workdir) => {
                let action = Action::Workdir(workdir.arguments.value.trim().to_owned());
                ("WORKDIR", &workdir.workdir, workdir.arguments.span.end, action)
            }
            Instruction::User(user) => {
                let action = Action::User(user.arguments.value.trim().to_owned());
                ("USER", &user.user, user.arguments.span.end, action)
            }
            Instruction::Entrypoint(entrypoint) => {
                let (words, end) = self.command(&entrypoint.arguments);
                ("ENTRYPOINT", &entrypoint.entrypoint, end, Action::Entrypoint(words))
            }
            Instruction::Cmd(cmd) => {
                let (words, end) = self.command(&cmd.arguments);
                ("CMD", &cmd.cmd, end, Action::Cmd(words))
            }
            Instruction::Run(run) => {
                if let Some(flag) = run.options.first() {
                    return Err(self.unsupported_flag("RUN", flag));
                }
                if !run.here_docs.is_empty() {
                    return Err(self.problem(&run.run.span, "here-documents are not supported".into()));
                }
                let (words, end) = self.command(&run.arguments);
                ("RUN", &run.run, end, Action::Run(words))
            }
            other => return Err(self.other(other)),
        };
        let start = keyword.span.end.min(end);
        let rest = self.text.get(start..end).unwrap_or_default();
        let rest = joined(rest, self.escape);
        let words: Vec<&str> = rest.split_whitespace().collect();
        Ok(Step { line: self.line(&keyword.span), text: format!("{name} {}", words.join(" ")), action })
    }

    fn copy(
        &self,
        name: &str,
        flags: &[Flag<'_>],
        sources: &[Source<'_>],
        destination: &UnescapedString<'_>,
    ) -> Result<Action, Problem> {
        let mut copy = Copy {
            sources: Vec::new(),
            destination: destination.value.clone().into_owned(),
            from: None,
            owner: None,
            mode: None,
            unpack: name == "ADD",
        };
        for flag in flags {
            let value = flag.value.as_ref().map(|value| value.value.clone().into_owned());
            match (flag.name.value.as_ref(), value) {
                ("chown", Some(value)) => copy.owner = Some(value),
                ("chmod", Some(value)) => {
                    let mode = u32::from_str_radix(&value, 8).ok().filter(|mode| *mode <= 0o7777);
                    copy.mode = Some(mode.ok_or_else(|| {
                        let span = flag.span();
                        self.problem(&span, format!("--chmod={value}: permissions are octal, such as 755"))
                    })?);
                }
                ("from", Some(value)) if name == "COPY" => copy.from = Some(value),
                _ => return Err(self.unsupported_flag(name, flag)),
            }
        }
        for source in sources {
            match source {
                Source::Path(path) => copy.sources.push(path.value.clone().into_owned()),
                _ => return Err(self.problem(&destination.span, "here-documents are not supported".into())),
            }
        }
        if let Some(remote) =
            copy.sources.iter().find(|source| source.contains("://") || source.starts_with("git@"))
        {
            return Err(self.problem(
                &destination.span,
                format!("{name} {remote}: nothing is fetched from a network; put the file into the context"),
            ));
        }
        Ok(Action::Copy(copy))
    }

    /// The words to execute, with a shell before them where they are a line for one; and where they end.
    fn command(&self, command: &Written<'_>) -> (Vec<String>, usize) {
        match command {
            Written::Exec(words) => {
                let all = words.value.iter().map(|word| word.value.clone().into_owned()).collect();
                (all, words.span.end)
            }
            Written::Shell(line) => {
                let line_of_shell = joined(line.value, self.escape).trim().to_owned();
                (vec!["/bin/sh".into(), "-c".into(), line_of_shell], line.span.end)
            }
            // The crate may come to know more forms: nothing to execute, which is refused later on.
            _ => (Vec::new(), 0),
        }
    }

    fn other(&self, instruction: &Instruction<'_>) -> Problem {
        let (name, span) = match instruction {
            Instruction::Arg(arg) => ("ARG", &arg.arg.span),
            Instruction::Expose(expose) => ("EXPOSE", &expose.expose.span),
            Instruction::Healthcheck(check) => ("HEALTHCHECK", &check.healthcheck.span),
            Instruction::Maintainer(maintainer) => ("MAINTAINER", &maintainer.maintainer.span),
            Instruction::Onbuild(onbuild) => ("ONBUILD", &onbuild.onbuild.span),
            Instruction::Shell(shell) => ("SHELL", &shell.shell.span),
            Instruction::Stopsignal(signal) => ("STOPSIGNAL", &signal.stopsignal.span),
            Instruction::Volume(volume) => ("VOLUME", &volume.volume.span),
            _ => ("this instruction", &(0..0)),
        };
        self.unsupported(name, span)
    }

    fn unsupported(&self, name: &str, span: &Span) -> Problem {
        let known = "FROM, COPY, ADD, ENV, WORKDIR, USER, ENTRYPOINT, CMD, LABEL and RUN are";
        self.problem(span, format!("{name} is not supported; {known}"))
    }

    fn unsupported_flag(&self, name: &str, flag: &Flag<'_>) -> Problem {
        self.problem(&flag.span(), format!("{name} --{} is not supported", flag.name.value))
    }

    fn problem(&self, span: &Span, what: String) -> Problem {
        Problem { line: self.line(span), what }
    }

    fn line(&self, span: &Span) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }
}

/// Lines that an escape at their end continues, as one; comments between them left out.
fn joined(text: &str, escape: char) -> String {
    let mut whole = String::new();
    for (number, line) in text.lines().enumerate() {
        if number > 0 && line.trim_start().starts_with('#') {
            continue;
        }
        match line.trim_end().strip_suffix(escape) {
            Some(continued) => whole.push_str(continued),
            None => {
                whole.push_str(line);
                whole.push('\n');
            }
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> (usize, String) {
        let problem = Containerfile::parse(text).expect_err("refused");
        (problem.line, problem.what)
    }

    #[test]
    fn steps_keep_their_line_and_their_text() {
        let file = Containerfile::parse(
            "# syntax\nFROM base AS Build\nENV A=1 \\\n    B=2\n\nCOPY --chown=1:2 --chmod=750 a b /c/\n\
             RUN echo one && \\\n  # a comment\n  echo two\nCMD [\"x\", \"y z\"]\nFROM scratch\nCOPY --from=build /c /\n\
             ADD files.tar /\nUSER 5\n",
        )
        .expect("good");
        let [build, last] = &file.stages[..] else { panic!("two stages") };
        assert_eq!((build.name.as_deref(), build.base.as_str(), build.line), (Some("build"), "base", 2));
        let lines: Vec<usize> = build.steps.iter().map(|step| step.line).collect();
        assert_eq!(lines, [3, 6, 7, 10]);
        assert_eq!(build.steps[0].text, "ENV A=1 B=2");
        assert_eq!(
            build.steps[1].action,
            Action::Copy(Copy {
                sources: vec!["a".into(), "b".into()],
                destination: "/c/".into(),
                from: None,
                owner: Some("1:2".into()),
                mode: Some(0o750),
                unpack: false,
            })
        );
        let shell = ["/bin/sh", "-c", "echo one &&   echo two"].map(String::from).to_vec();
        assert_eq!(build.steps[2].action, Action::Run(shell));
        assert_eq!(build.steps[3].action, Action::Cmd(vec!["x".into(), "y z".into()]));
        assert!(
            matches!(&last.steps[0].action, Action::Copy(Copy { from: Some(from), .. }) if from == "build")
        );
        assert!(matches!(&last.steps[1].action, Action::Copy(Copy { unpack: true, .. })));
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name_and_line() {
        for (line, instruction) in [
            (2, "EXPOSE 80"),
            (2, "VOLUME /data"),
            (2, "HEALTHCHECK NONE"),
            (2, "ARG A=1"),
            (2, "SHELL [\"/bin/sh\"]"),
            (2, "STOPSIGNAL 9"),
            (2, "ONBUILD RUN x"),
            (2, "MAINTAINER me"),
            (2, "RUN --mount=type=cache,target=/x y"),
            (2, "COPY --link a b"),
            (2, "ADD --checksum=x a b"),
            (2, "ADD https://example.com/x /"),
            (2, "COPY --chmod=rwx a b"),
        ] {
            let (found, what) = refused(&format!("FROM scratch\n{instruction}\n"));
            let name = instruction.split(' ').next().expect("a word");
            assert!(
                found == line && what.contains(name) || what.contains("--"),
                "{instruction}: {found}: {what}"
            );
        }
        assert!(refused("FROM --platform=linux/arm64 x\n").1.contains("--platform"));
        assert_eq!(refused("ARG A\nFROM x\n").0, 1);
        assert_eq!(refused("FROM x\n\nNONSENSE y\n").0, 3);
        assert_eq!(refused("FROM x\nCOPY a\n").0, 2);
        assert_eq!(refused("FROM x\nRUN <<EOF\nx\nEOF\n").0, 2);
        assert!(!refused("").1.is_empty() && !refused("RUN x\n").1.is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(FROM|RUN|COPY|ENV|[ -~\n]{0,12}|\\PC){0,12}") {
            let _ = Containerfile::parse(&text);
        }
    }
}
