//! The menu of the shop.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    error::BoxError,
    types::AttributeValue::{self, Bool, L, S},
};
use orders::Drink;

/// What can be ordered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Menu(pub(crate) Vec<Dish>);

/// A drink of the menu.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dish {
    pub(crate) drink: String,
    /// All options of all its modifiers.
    pub(crate) options: Vec<String>,
}

/// Why a drink cannot be ordered. The message is for the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotOnTheMenu {
    #[error("`drink` is not on the menu")]
    Drink,
    #[error("`modifiers` has something that the menu does not offer for this drink")]
    Modifier,
}

/// Reads the menu. Its IAM permission is `dynamodb:GetItem` on the config table.
pub(crate) trait MenuSource {
    /// The menu of this moment; an empty one when the shop has none.
    fn read(&self) -> impl Future<Output = Result<Menu, MenuError>> + Send;
}

/// The menu could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the menu could not be read")]
pub(crate) struct MenuError(#[source] pub(crate) BoxError);

/// A [`MenuSource`] in DynamoDB: the item `menu` as Serverlesspresso has it, `{"value": [{"drink", "modifiers": [{"Name",
/// "Options"}], "available"}]}`. A drink that is not available is not on the menu.
pub(crate) struct DynamoDbMenu {
    pub(crate) client: Client,
    pub(crate) table: String,
}

impl Menu {
    /// Whether the drink can be ordered, with all its modifiers.
    pub(crate) fn offers(&self, drink: &Drink) -> Result<(), NotOnTheMenu> {
        let dish = self.0.iter().find(|dish| dish.drink == drink.drink).ok_or(NotOnTheMenu::Drink)?;
        let offered = drink.modifiers.iter().all(|modifier| dish.options.contains(modifier));
        if offered { Ok(()) } else { Err(NotOnTheMenu::Modifier) }
    }
}

impl MenuSource for DynamoDbMenu {
    async fn read(&self) -> Result<Menu, MenuError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("PK", S("menu".to_owned()))
            .send()
            .await
            .map_err(|error| MenuError(error.into_service_error().into()))?;
        Ok(Menu(found.item.iter().flat_map(|item| list(item, "value")).filter_map(dish).collect()))
    }
}

/// People write the menu, so what is not a drink is passed over.
fn dish(value: &AttributeValue) -> Option<Dish> {
    let item = value.as_m().ok()?;
    if item.get("available") == Some(&Bool(false)) {
        return None;
    }
    let modifiers = list(item, "modifiers").iter().filter_map(|modifier| modifier.as_m().ok());
    let options = modifiers.flat_map(|modifier| list(modifier, "Options"));
    Some(Dish {
        drink: item.get("drink")?.as_s().ok()?.clone(),
        options: options.filter_map(|option| option.as_s().ok().cloned()).collect(),
    })
}

fn list<'a>(item: &'a HashMap<String, AttributeValue>, attribute: &str) -> &'a [AttributeValue] {
    match item.get(attribute) {
        Some(L(values)) => values,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        operation::get_item::{GetItemError, GetItemOutput},
        types::error::RequestLimitExceeded,
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

    use super::*;

    async fn read(rule: &Rule) -> Result<Menu, MenuError> {
        let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [rule]);
        DynamoDbMenu { client, table: "config".into() }.read().await
    }

    fn map(fields: &[(&str, AttributeValue)]) -> HashMap<String, AttributeValue> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn text(text: &str) -> AttributeValue {
        S(text.to_owned())
    }

    fn drink(drink: &str, modifiers: &[&str]) -> Drink {
        let modifiers = modifiers.iter().map(|modifier| (*modifier).to_owned()).collect();
        Drink { drink: drink.to_owned(), modifiers, icon: None }
    }

    #[tokio::test]
    async fn the_menu_has_the_available_drinks_with_their_options() {
        let rule = mock!(Client::get_item)
            .match_requests(|request| {
                request.table_name() == Some("config") && request.key().unwrap()["PK"] == text("menu")
            })
            .then_output(|| {
                let milk =
                    map(&[("Name", text("Milk")), ("Options", L(vec![text("Oat milk"), text("Soy milk")]))]);
                let drinks = L(vec![
                    AttributeValue::M(map(&[
                        ("drink", text("Latte")),
                        ("modifiers", L(vec![AttributeValue::M(milk)])),
                    ])),
                    AttributeValue::M(map(&[("drink", text("Espresso")), ("available", Bool(true))])),
                    AttributeValue::M(map(&[("drink", text("Flat White")), ("available", Bool(false))])),
                    text("a note"),
                ]);
                GetItemOutput::builder().set_item(Some(map(&[("value", drinks)]))).build()
            });

        let menu = read(&rule).await.unwrap();

        assert_eq!(menu.offers(&drink("Latte", &["Oat milk"])), Ok(()));
        assert_eq!(menu.offers(&drink("Espresso", &[])), Ok(()));
        assert_eq!(menu.offers(&drink("Espresso", &["Oat milk"])), Err(NotOnTheMenu::Modifier));
        assert_eq!(menu.offers(&drink("Flat White", &[])), Err(NotOnTheMenu::Drink));
        assert_eq!(menu.offers(&drink("milkshake", &[])), Err(NotOnTheMenu::Drink));
    }

    #[tokio::test]
    async fn a_shop_without_a_menu_offers_nothing() {
        let rule = mock!(Client::get_item).then_output(|| GetItemOutput::builder().build());

        assert_eq!(read(&rule).await.unwrap(), Menu::default());
    }

    #[tokio::test]
    async fn a_table_that_refuses_is_reported_with_its_cause() {
        let rule = mock!(Client::get_item).then_error(|| {
            GetItemError::RequestLimitExceeded(RequestLimitExceeded::builder().message("slow down").build())
        });

        let error = read(&rule).await.unwrap_err();

        assert_eq!(
            function_runtime::error::chain(&error),
            "the menu could not be read: RequestLimitExceeded: slow down"
        );
    }
}
