//! The names that the functions' code gives to their errors.
//!
//! Two conventions make them findable. The error enum of a function implements `function_runtime::NamedError`
//! with string literals: Step Functions sees the name when a machine invokes the function. And what a
//! function sends by `SendTaskFailure` is a `&str` constant in its `src/failure.rs`.

use std::collections::BTreeMap;

use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{
    Attribute, Block, Expr, Ident, ImplItem, ImplItemConst, ItemConst, ItemImpl, ItemMod, Lit, Stmt, Type,
};

use super::Violation;
use super::files::{Files, below, folders};

/// The error names of one function package.
#[derive(Default)]
pub(super) struct Names {
    /// What a machine that invokes the function can see.
    pub(super) errors: Vec<Name>,
    /// What the function sends to a machine that waits.
    pub(super) failures: Vec<Name>,
}

/// An error name and where it is given.
#[derive(Clone)]
pub(super) struct Name {
    pub(super) name: String,
    pub(super) place: String,
}

/// The error names by package, and a violation for each file or name that cannot be read.
pub(super) fn names(files: &Files) -> (BTreeMap<String, Names>, Vec<Violation>) {
    let (mut packages, mut violations) = (BTreeMap::new(), Vec::new());
    for package in folders(files, "functions") {
        let mut names = Names::default();
        for (path, text) in below(files, &format!("functions/{package}/src")) {
            if !path.ends_with(".rs") || path.ends_with("tests.rs") {
                continue;
            }
            let file = format!("functions/{package}/src/{path}");
            match syn::parse_file(text) {
                Ok(syntax) => {
                    let mut reader = Reader { file: &file, names: &mut names, violations: &mut violations };
                    reader.visit_file(&syntax);
                }
                Err(error) => violations.push(Violation::new(
                    format!("{file}:{}", error.span().start().line),
                    format!("is not valid Rust: {error}"),
                )),
            }
        }
        packages.insert(package.to_owned(), names);
    }
    (packages, violations)
}

struct Reader<'a> {
    file: &'a str,
    names: &'a mut Names,
    violations: &'a mut Vec<Violation>,
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(&module.attrs) {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let implements_named_error = item
            .trait_
            .as_ref()
            .and_then(|(path, _)| path.segments.last())
            .is_some_and(|segment| segment.ident == "NamedError");
        if implements_named_error {
            for function in item.items.iter().filter_map(as_function_name) {
                let mut results = Vec::new();
                results_of_block(function, &mut results);
                let names: Vec<_> = results.into_iter().filter_map(|result| self.literal(result)).collect();
                self.names.errors.extend(names);
            }
        }
        syn::visit::visit_item_impl(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast ItemConst) {
        self.constant(&item.ident, &item.ty, &item.expr);
    }

    fn visit_impl_item_const(&mut self, item: &'ast ImplItemConst) {
        self.constant(&item.ident, &item.ty, &item.expr);
    }
}

impl Reader<'_> {
    fn constant(&mut self, ident: &Ident, ty: &Type, value: &Expr) {
        let is_str = matches!(ty, Type::Reference(reference)
            if matches!(&*reference.elem, Type::Path(path) if path.path.is_ident("str")));
        if self.file.ends_with("/src/failure.rs") && is_str && ident != "_" {
            let name = self.literal(value);
            self.names.failures.extend(name);
        }
    }

    fn literal(&mut self, value: &Expr) -> Option<Name> {
        let place = format!("{}:{}", self.file, value.span().start().line);
        if let Expr::Lit(literal) = value
            && let Lit::Str(name) = &literal.lit
        {
            return Some(Name { name: name.value(), place });
        }
        self.violations.push(Violation::new(
            place,
            "gives an error name that is not a string literal: write the name here, so that it can be \
             compared with the state machines",
        ));
        None
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<Ident>().is_ok_and(|option| option == "test")
    })
}

fn as_function_name(item: &ImplItem) -> Option<&Block> {
    match item {
        ImplItem::Fn(function) if function.sig.ident == "name" => Some(&function.block),
        _ => None,
    }
}

/// The expressions that an expression can come out as.
fn results<'a>(value: &'a Expr, found: &mut Vec<&'a Expr>) {
    match value {
        Expr::Match(choice) => choice.arms.iter().for_each(|arm| results(&arm.body, found)),
        Expr::If(choice) => {
            results_of_block(&choice.then_branch, found);
            if let Some((_, otherwise)) = &choice.else_branch {
                results(otherwise, found);
            }
        }
        Expr::Block(block) => results_of_block(&block.block, found),
        _ => found.push(value),
    }
}

fn results_of_block<'a>(block: &'a Block, found: &mut Vec<&'a Expr>) {
    if let Some(Stmt::Expr(value, _)) = block.stmts.last() {
        results(value, found);
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;

    #[test]
    fn an_error_name_that_is_computed_is_a_violation() {
        let broken = sample().replace(
            "functions/pizza-status/src/main.rs",
            "Self::Unavailable(_) =>",
            "Self::Queue(error) => error.name(),
            Self::Unavailable(_) =>",
        );

        assert_eq!(
            broken.violations(),
            ["functions/pizza-status/src/main.rs:4: \
                 gives an error name that is not a string literal: write the name here, so that it can be \
                 compared with the state machines"]
        );
    }

    #[test]
    fn a_failure_name_that_is_computed_is_a_violation() {
        let broken = sample()
            .add("functions/pizza-status/src/failure.rs", r#"const NAME: &str = concat!("No", "Pizza");"#);

        assert_eq!(
            broken.violations(),
            ["functions/pizza-status/src/failure.rs:1: \
                 gives an error name that is not a string literal: write the name here, so that it can be \
                 compared with the state machines"]
        );
    }

    #[test]
    fn a_source_file_that_is_not_rust_is_a_violation() {
        let broken = sample().add(
            "functions/pizza-status/src/broken.rs",
            "fn main() {}

fn half(",
        );

        assert_eq!(
            broken.violations(),
            ["functions/pizza-status/src/broken.rs:3: \
                 is not valid Rust: cannot parse string into token stream"]
        );
    }
}
