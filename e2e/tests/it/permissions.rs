//! Takes permissions out of the template, one at a time.

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use local_stack::StackDescription;

/// Where a permission stands in the template: the resource and the first line of the list item.
pub(crate) type Permission = (&'static str, &'static str);

/// Asserts that `works` says yes to the template as it is, and no without any one of `permissions`.
///
/// `works` gets the name of a stack and its template, deploys it, and says whether it does all that it should.
pub(crate) async fn assert_each_is_needed(
    name: &str,
    permissions: &[Permission],
    works: impl AsyncFn(String, String) -> Result<bool>,
) -> Result<()> {
    let template = StackDescription::of_this_test_run()?.built_template()?;
    assert!(works(name.to_owned(), template.clone()).await?, "the copy with all permissions works");

    let not_needed: Vec<_> = stream::iter(permissions.iter().enumerate())
        .map(async |(number, (resource, item))| {
            let changed =
                without(&template, resource, item).with_context(|| format!("{resource} has no {item}"))?;
            let works = works(format!("{name}-{number}"), changed).await?;
            anyhow::Ok(works.then_some((resource, item)))
        })
        .buffer_unordered(2)
        .try_filter_map(async |not_needed| Ok(not_needed))
        .try_collect()
        .await?;

    assert!(not_needed.is_empty(), "these can be taken away: {not_needed:?}");
    Ok(())
}

/// The template without one item of a list in the resource.
fn without(template: &str, resource: &str, item: &str) -> Option<String> {
    let resource_at = template.find(&format!("\n  {resource}:\n"))?;
    let item_at = resource_at + template[resource_at..].find(&format!("- {item}\n"))?;
    let line_at = template[..item_at].rfind('\n')? + 1;
    let indent = item_at - line_at;
    let deeper = |line: &&str| line.len() - line.trim_start().len() > indent;
    let item_length: usize =
        template[line_at..].split_inclusive('\n').skip(1).take_while(deeper).map(str::len).sum();
    let first_line_length = template[line_at..].find('\n')? + 1;
    Some(format!("{}{}", &template[..line_at], &template[line_at + first_line_length + item_length..]))
}
