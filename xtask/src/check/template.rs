//! The SAM template, as the checks see it.
//!
//! Read with `saphyr`, which keeps CloudFormation's short tags (`!GetAtt`) and knows the line of every node.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode, MarkedYaml, YamlData};

use super::Violation;
use super::asl::placeholders;
use super::files::Files;

/// The functions and state machines of `template.yaml`.
pub(super) struct Template {
    pub(super) functions: Vec<Function>,
    pub(super) machines: Vec<StateMachine>,
}

/// An `AWS::Serverless::Function`.
pub(super) struct Function {
    pub(super) logical_id: String,
    pub(super) place: String,
    /// The package that it is built from: `Metadata.BuildProperties.Binary`, else the last folder of `CodeUri`.
    pub(super) package: Option<String>,
}

/// An `AWS::Serverless::StateMachine`.
pub(super) struct StateMachine {
    pub(super) logical_id: String,
    pub(super) place: String,
    pub(super) definition_uri: Option<String>,
    pub(super) substitutions: BTreeMap<String, Substitution>,
}

/// An entry of `DefinitionSubstitutions`.
pub(super) struct Substitution {
    pub(super) place: String,
    /// The logical id or parameter that the value refers to.
    pub(super) refers_to: Option<String>,
}

const FILE: &str = "template.yaml";

/// Reads the template.
///
/// # Errors
///
/// When it is missing or is not YAML.
pub(super) fn parse(files: &Files) -> Result<Template, Violation> {
    let text = files.get(FILE).ok_or_else(|| Violation::new(FILE, "does not exist: add the SAM template"))?;
    let documents = MarkedYaml::load_from_str(text).map_err(|error| {
        Violation::new(format!("{FILE}:{}", error.marker().line()), format!("is not valid YAML: {}", error.info()))
    })?;

    let mut template = Template { functions: Vec::new(), machines: Vec::new() };
    let resources = documents.first().and_then(|document| get(document, "Resources"));
    for (logical_id, line, resource) in resources.into_iter().flat_map(members) {
        let place = format!("{FILE}:{line}");
        match get_str(resource, &["Type"]) {
            Some("AWS::Serverless::Function") => {
                template.functions.push(Function { logical_id, place, package: package(resource) });
            }
            Some("AWS::Serverless::StateMachine") => template.machines.push(StateMachine {
                logical_id,
                place,
                definition_uri: get_str(resource, &["Properties", "DefinitionUri"]).map(relative),
                substitutions: substitutions(resource),
            }),
            _ => {}
        }
    }
    Ok(template)
}

fn package(resource: &MarkedYaml) -> Option<String> {
    get_str(resource, &["Metadata", "BuildProperties", "Binary"]).map(str::to_owned).or_else(|| {
        let code_uri = relative(get_str(resource, &["Properties", "CodeUri"])?);
        code_uri.rsplit('/').next().filter(|name| !matches!(*name, "" | ".")).map(str::to_owned)
    })
}

fn substitutions(resource: &MarkedYaml) -> BTreeMap<String, Substitution> {
    get(resource, "Properties")
        .and_then(|properties| get(properties, "DefinitionSubstitutions"))
        .into_iter()
        .flat_map(members)
        .map(|(key, line, value)| {
            (key, Substitution { place: format!("{FILE}:{line}"), refers_to: refers_to(value) })
        })
        .collect()
}

/// What `!Ref`, `!GetAtt` or `!Sub` refers to, in the short form or in the long one (`Fn::GetAtt:`).
fn refers_to(value: &MarkedYaml) -> Option<String> {
    let (intrinsic, argument) = match &value.data {
        YamlData::Tagged(tag, argument) => (tag.suffix.clone(), argument.as_ref()),
        YamlData::Value(_) if value.data.get_tag().is_some() => return None,
        _ => members(value).next().map(|(key, _, argument)| (key, argument))?,
    };
    let text = argument.data.as_str().or_else(|| argument.data.as_sequence()?.first()?.data.as_str())?;
    let name = match intrinsic.trim_start_matches("Fn::") {
        "Ref" | "GetAtt" => text,
        "Sub" => placeholders(text).map(|(_, name)| name).find(|name| !name.contains("::"))?,
        _ => return None,
    };
    name.split('.').next().map(str::to_owned)
}

/// A path as it is in [`Files`]: without `./` before and `/` behind.
fn relative(path: &str) -> String {
    path.trim_start_matches("./").trim_end_matches('/').to_owned()
}

fn get<'a, 'input>(node: &'a MarkedYaml<'input>, key: &str) -> Option<&'a MarkedYaml<'input>> {
    node.data.as_mapping_get(key)
}

fn get_str<'a>(node: &'a MarkedYaml, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(node, |node, key| get(node, key))?.data.as_str()
}

/// The members of a mapping, each with the line of its key; none if the node is no mapping.
fn members<'a, 'input>(
    node: &'a MarkedYaml<'input>,
) -> impl Iterator<Item = (String, usize, &'a MarkedYaml<'input>)> {
    node.data
        .as_mapping()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.data.as_str()?.to_owned(), key.span.start.line(), value)))
}
