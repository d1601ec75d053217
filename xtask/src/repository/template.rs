//! The SAM template, as the checks see it.
//!
//! `saphyr` knows the line of every node and keeps CloudFormation's short tags (`!GetAtt`); those of scalars
//! only as long as it leaves their type open, hence [`load`] and [`text`].

use std::collections::BTreeMap;

use saphyr::{MarkedYaml, ScanError, YamlData, YamlLoader};
use saphyr_parser::Parser;

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
    /// The package that it is built from: `Metadata.BuildProperties.Binary`, else the last folder of
    /// `CodeUri`.
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
    let documents = load(text).map_err(|error| {
        Violation::new(
            format!("{FILE}:{}", error.marker().line()),
            format!("is not valid YAML: {}", error.info()),
        )
    })?;

    let mut template = Template { functions: Vec::new(), machines: Vec::new() };
    let resources = documents.first().and_then(|document| get(document, &["Resources"]));
    for (logical_id, line, resource) in resources.into_iter().flat_map(members) {
        let place = format!("{FILE}:{line}");
        match get_text(resource, &["Type"]) {
            Some("AWS::Serverless::Function") => {
                template.functions.push(Function { logical_id, place, package: package(resource) });
            }
            Some("AWS::Serverless::StateMachine") => template.machines.push(StateMachine {
                logical_id,
                place,
                definition_uri: get_text(resource, &["Properties", "DefinitionUri"]).map(relative),
                substitutions: substitutions(resource),
            }),
            _ => {}
        }
    }
    Ok(template)
}

fn load(yaml: &str) -> Result<Vec<MarkedYaml<'_>>, ScanError> {
    let mut loader = YamlLoader::default();
    loader.early_parse(false);
    Parser::new_from_str(yaml).load(&mut loader, false)?;
    match loader.error() {
        Some(error) => Err(error.clone()),
        None => Ok(loader.into_documents()),
    }
}

fn package(resource: &MarkedYaml) -> Option<String> {
    get_text(resource, &["Metadata", "BuildProperties", "Binary"]).map(str::to_owned).or_else(|| {
        let code_uri = relative(get_text(resource, &["Properties", "CodeUri"])?);
        code_uri.rsplit('/').next().filter(|name| !matches!(*name, "" | ".")).map(str::to_owned)
    })
}

fn substitutions(resource: &MarkedYaml) -> BTreeMap<String, Substitution> {
    get(resource, &["Properties", "DefinitionSubstitutions"])
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
        YamlData::Representation(_, _, Some(tag)) => (tag.suffix.clone(), value),
        YamlData::Tagged(tag, argument) => (tag.suffix.clone(), argument.as_ref()),
        _ => members(value).next().map(|(key, _, argument)| (key, argument))?,
    };
    let argument = text(argument).or_else(|| text(argument.data.as_sequence()?.first()?))?;
    let name = match intrinsic.trim_start_matches("Fn::") {
        "Ref" | "GetAtt" => argument,
        "Sub" => placeholders(argument).map(|(_, name)| name).find(|name| !name.contains("::"))?,
        _ => return None,
    };
    name.split('.').next().map(str::to_owned)
}

/// A path as it is in [`Files`]: without `./` before and `/` behind.
fn relative(path: &str) -> String {
    path.trim_start_matches("./").trim_end_matches('/').to_owned()
}

fn get<'a, 'input>(node: &'a MarkedYaml<'input>, path: &[&str]) -> Option<&'a MarkedYaml<'input>> {
    path.iter().try_fold(node, |node, key| {
        node.data.as_mapping()?.iter().find_map(|(name, value)| (text(name) == Some(key)).then_some(value))
    })
}

fn get_text<'a>(node: &'a MarkedYaml, path: &[&str]) -> Option<&'a str> {
    get(node, path).and_then(text)
}

fn text<'a>(node: &'a MarkedYaml) -> Option<&'a str> {
    match &node.data {
        YamlData::Representation(text, ..) => Some(text),
        _ => None,
    }
}

/// The members of a mapping, each with the line of its key; none if the node is no mapping.
fn members<'a, 'input>(
    node: &'a MarkedYaml<'input>,
) -> impl Iterator<Item = (String, usize, &'a MarkedYaml<'input>)> {
    node.data
        .as_mapping()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((text(key)?.to_owned(), key.span.start.line(), value)))
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;

    const REFERENCE: &str = "!GetAtt PizzaStatusFunction.Arn";

    #[test]
    fn every_form_of_a_reference_leads_to_the_function() {
        for form in [
            "!GetAtt [PizzaStatusFunction, Arn]",
            "!Ref PizzaStatusFunction",
            "!Sub ${PizzaStatusFunction.Arn}",
            "!Sub '${PizzaStatusFunction.Arn}:live'",
            "!Sub ['${PizzaStatusFunction.Arn}:${Alias}', { Alias: live }]",
            "!Sub arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${PizzaStatusFunction}",
            "{ Ref: PizzaStatusFunction }",
            "{ Fn::GetAtt: PizzaStatusFunction.Arn }",
            "{ 'Fn::GetAtt': [PizzaStatusFunction, Arn] }",
            "{ Fn::Sub: '${PizzaStatusFunction.Arn}' }",
        ] {
            let whole = sample().replace("template.yaml", REFERENCE, form);

            assert_eq!(whole.violations(), Vec::<String>::new(), "{form}");
        }
    }

    #[test]
    fn a_text_is_no_reference() {
        let broken = sample().replace("template.yaml", REFERENCE, "PizzaStatusFunction.Arn");

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Ask For Status: \
                 invokes a function that template.yaml does not define: let FunctionName be a substitution \
                 that refers to one"]
        );
    }

    #[test]
    fn a_template_that_is_not_yaml_is_a_violation() {
        let broken = sample().replace("template.yaml", "Resources:", "Resources: [");

        assert_eq!(
            broken.violations(),
            ["template.yaml:6: \
                 is not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'"]
        );
    }

    #[test]
    fn a_resource_that_is_defined_twice_is_a_violation() {
        let broken = sample().replace("template.yaml", "  OrderQueue:", "  PizzaBakerFunction:");

        assert_eq!(broken.violations(), ["template.yaml:45: is not valid YAML: duplicated key in mapping"]);
    }
}
