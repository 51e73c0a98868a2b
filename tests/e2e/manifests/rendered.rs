//! The output of `kubectl kustomize` for the manifests, parsed.

use super::help::Help;
use super::root;
use serde_json::Value;
use std::io::ErrorKind;
use std::process::Command;

/// The programs of a cluster, each in a container of its own.
const PROGRAMS: [&str; 7] = [
    "api",
    "dumper",
    "ingestor",
    "journal",
    "messages",
    "notifier",
    "persistor",
];

/// Variables that libraries read, so that no `--help` lists them.
const FOREIGN: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "RUST_LOG"];

pub(super) struct Manifest {
    pub(super) documents: Vec<Value>,
}

pub(super) struct Container<'a> {
    /// The last part of the image's name, which is our program's name.
    pub(super) program: &'a str,
    pub(super) kind: &'a str,
    pub(super) document: &'a Value,
    pub(super) template: &'a Value,
    pub(super) pod: &'a Value,
    pub(super) spec: &'a Value,
}

impl Manifest {
    pub(super) fn render() -> Self {
        let rendered = Command::new("kubectl")
            .arg("kustomize")
            .arg(root().join("manifests"))
            .output();
        let rendered = match rendered {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!("kubectl is missing: run scripts/install-kubectl.sh, as `make test` does")
            }
            other => other.expect("run kubectl"),
        };
        assert!(
            rendered.status.success(),
            "kubectl kustomize: {}",
            String::from_utf8_lossy(&rendered.stderr)
        );
        Self::parse(&String::from_utf8(rendered.stdout).expect("YAML is UTF-8"))
    }

    pub(super) fn parse(yaml: &str) -> Self {
        Self {
            documents: serde_saphyr::from_multiple(yaml).expect("what kubectl renders is YAML"),
        }
    }

    pub(super) fn document(&self, kind: &str, name: &str) -> Option<&Value> {
        self.documents
            .iter()
            .find(|document| document["kind"] == kind && document["metadata"]["name"] == name)
    }

    pub(super) fn containers(&self) -> Vec<Container<'_>> {
        let mut containers = Vec::new();
        for document in &self.documents {
            let template = document.pointer("/spec/jobTemplate/spec/template");
            let Some(template) = template.or_else(|| document.pointer("/spec/template")) else {
                continue;
            };
            let pod = &template["spec"];
            for spec in pod["containers"].as_array().expect("a pod has containers") {
                let (name, _tag) = text(spec, "/image").rsplit_once(':').expect("every image has a tag");
                let program = name.rsplit('/').next().expect("a split has a last part");
                containers.push(Container {
                    program,
                    kind: text(document, "/kind"),
                    document,
                    template,
                    pod,
                    spec,
                });
            }
        }
        containers
    }

    /// The containers of our own programs; panics unless all are there, so that no test passes by a lack.
    pub(super) fn programs(&self) -> Vec<Container<'_>> {
        let mut containers = self.containers();
        containers.retain(|container| text(container.spec, "/image").contains("odograph/"));
        containers.sort_by_key(|container| container.program);
        assert!(
            containers.iter().map(|container| container.program).eq(PROGRAMS),
            "a container for each program"
        );
        containers
    }

    pub(super) fn image(&self, program: &str) -> Option<&str> {
        let containers = self.containers();
        containers
            .iter()
            .find(|container| container.program == program)
            .map(|container| text(container.spec, "/image"))
    }
}

impl<'a> Container<'a> {
    pub(super) fn flags(&self) -> impl Iterator<Item = &'a str> {
        let arguments = self.spec["args"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        arguments
            .filter(|argument| argument.starts_with('-'))
            .map(|flag| flag.split('=').next().unwrap_or(flag))
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = &'a str> {
        // Whole config maps would hand each program the others' settings and credentials.
        assert_eq!(
            self.spec["envFrom"],
            Value::Null,
            "{}: name the variables one by one",
            self.program
        );
        self.spec["env"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|variable| text(variable, "/name"))
    }

    /// The sources of variables' values: kind, name, key, and whether it may be absent.
    pub(super) fn references(&self) -> Vec<(&'static str, &'a str, &'a str, bool)> {
        let mut references = Vec::new();
        for variable in self.spec["env"].as_array().into_iter().flatten() {
            for (field, kind) in [("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")] {
                let Some(reference) = variable["valueFrom"].get(field) else {
                    continue;
                };
                let (name, key) = (text(reference, "/name"), text(reference, "/key"));
                references.push((kind, name, key, reference["optional"] == true));
            }
        }
        references
    }

    /// The key of the setting or credential that gives a variable its value.
    pub(super) fn key(&self, variable: &str) -> Option<&'a str> {
        let mut variables = self.spec["env"].as_array()?.iter();
        let source = &variables.find(|given| given["name"] == variable)?["valueFrom"];
        let key = source
            .pointer("/configMapKeyRef/key")
            .or_else(|| source.pointer("/secretKeyRef/key"))?;
        key.as_str()
    }

    /// Flags and variables that the program does not know.
    pub(super) fn unknown(&self, help: &Help) -> Vec<String> {
        let flags = self.flags().filter(|flag| !help.flags().any(|known| known == *flag));
        let variables = self
            .variables()
            .filter(|name| !FOREIGN.contains(name) && !help.has_variable(name));
        flags.chain(variables).map(str::to_owned).collect()
    }

    /// Required flags that are set neither as a flag nor as a variable.
    pub(super) fn missing(&self, help: &Help) -> Vec<String> {
        let variable = |flag: &str| flag.trim_start_matches('-').replace('-', "_").to_uppercase();
        let given =
            |flag: &&str| self.flags().any(|own| own == *flag) || self.variables().any(|own| own == variable(flag));
        help.required().filter(|flag| !given(flag)).map(str::to_owned).collect()
    }

    /// The number of a port that a probe or a service names.
    pub(super) fn port(&self, name: &Value) -> Option<u64> {
        let ports = self.spec["ports"].as_array()?;
        ports.iter().find(|port| port["name"] == *name)?["containerPort"].as_u64()
    }
}

/// The string at a pointer, else an empty one.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn a_misspelt_or_forgotten_name_is_found() {
    let help = Help::parse(
        "Usage: api [OPTIONS] --to <URL>\n\n  --to <URL> [env: TO_URL=]\n  --port <PORT> [env: PORT=]\n  --key <KEY> [env: KEY]\n",
    );
    let pod = serde_json::json!({"spec": {"template": {"spec": {"containers": [{
        "name": "api",
        "image": "odograph/api:v1",
        "args": ["--port=1", "--prot", "2"],
        "env": [{"name": "KEY"}, {"name": "KYE"}, {"name": "RUST_LOG"}],
    }]}}}});
    let manifest = Manifest { documents: vec![pod] };
    let [container] = &manifest.containers()[..] else {
        panic!("one container")
    };
    assert_eq!(container.unknown(&help), ["--prot", "KYE"]);
    assert_eq!(container.missing(&help), ["--to"]);
}
