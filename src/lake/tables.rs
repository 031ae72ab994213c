//! The tables of the lake as data: what a row says, and how rows are laid out in files.
//!
//! Ids are text in the one form that every engine joins alike, codes are the words of the contract, money is whole sen in
//! a long. There is no identifier of a person in any of them.

use std::sync::Arc;

use arrow::datatypes::SchemaRef as ArrowSchemaRef;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{
    NestedField, NullOrder, PrimitiveType, Schema, SortDirection, SortField, SortOrder, Transform, Type,
    UnboundPartitionSpec,
};
use iceberg::{NamespaceIdent, TableIdent};

use super::trouble;
use crate::error::Result;

/// What a column holds, and from what it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number of 64 bits; money is one, in sen.
    Long,
    /// A whole number of 32 bits.
    Int,
    Date,
    Bool,
    /// An instant, in microseconds, UTC.
    Instant,
    Text,
    /// A UUID as text.
    Id,
    /// A code of the contract as its word; the number that is stored is the word's place in the list.
    Word(&'static [&'static str]),
    /// Texts, with commas between them.
    List,
    /// A digest in hexadecimal digits.
    Digest,
    /// A JSON value as text.
    Json,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    pub meaning: &'static str,
}

/// A column that every row fills.
pub const fn required(name: &'static str, kind: Kind, meaning: &'static str) -> Column {
    Column { name, kind, required: true, meaning }
}

/// A column that may be null.
pub const fn optional(name: &'static str, kind: Kind, meaning: &'static str) -> Column {
    Column { name, kind, required: false, meaning }
}

/// How the files of a table are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Division {
    /// By calendar month of a date or an instant.
    Month(&'static str),
    /// By a hash of a column, into as many parts as the lake is set up with.
    Bucket(&'static str),
}

/// A table.
#[derive(Debug)]
pub struct TableSpec {
    pub namespace: &'static str,
    pub name: &'static str,
    pub meaning: &'static str,
    pub columns: &'static [Column],
    pub division: &'static [Division],
    /// The column by which rows stand within a file.
    pub sorted_by: Option<&'static str>,
    /// The column that readers look single values up by.
    pub bloom: Option<&'static str>,
}

impl TableSpec {
    /// Namespace and name: how the ledger knows the table.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.namespace, self.name)
    }

    pub fn ident(&self) -> TableIdent {
        TableIdent::new(NamespaceIdent::new(self.namespace.to_owned()), self.name.to_owned())
    }

    /// The Iceberg schema: field ids count the columns from 1.
    pub fn schema(&self) -> Result<Schema> {
        let fields = self.columns.iter().zip(1..).map(|(column, id)| {
            let kind = Type::Primitive(primitive(column.kind));
            Arc::new(NestedField::new(id, column.name, kind, column.required).with_doc(column.meaning))
        });
        Schema::builder().with_fields(fields).build().map_err(|error| trouble("schema", &error))
    }

    /// The same for Arrow, field ids in the metadata.
    pub fn arrow_schema(&self) -> Result<ArrowSchemaRef> {
        let schema = schema_to_arrow_schema(&self.schema()?).map_err(|error| trouble("schema", &error))?;
        Ok(Arc::new(schema))
    }

    fn field_id(&self, name: &str) -> i32 {
        let place = self.columns.iter().position(|column| column.name == name);
        place.map_or(0, |place| place as i32 + 1)
    }

    /// How a new table is divided, with so many buckets.
    pub fn partition_spec(&self, buckets: u32) -> Result<UnboundPartitionSpec> {
        let mut spec = UnboundPartitionSpec::builder().with_spec_id(0);
        for division in self.division {
            let (column, name, transform) = match division {
                Division::Month(column) => (column, format!("{column}_month"), Transform::Month),
                Division::Bucket(column) => (column, format!("{column}_bucket"), Transform::Bucket(buckets)),
            };
            spec = spec
                .add_partition_field(self.field_id(column), name, transform)
                .map_err(|error| trouble("partition spec", &error))?;
        }
        Ok(spec.build())
    }

    /// What the metadata of a new table says about the order of rows.
    pub fn sort_order(&self) -> Result<SortOrder> {
        let Some(column) = self.sorted_by else { return Ok(SortOrder::unsorted_order()) };
        let field = SortField::builder()
            .source_id(self.field_id(column))
            .direction(SortDirection::Ascending)
            .null_order(NullOrder::First)
            .transform(Transform::Identity)
            .build();
        SortOrder::builder()
            .with_order_id(1)
            .with_sort_field(field)
            .build_unbound()
            .map_err(|error| trouble("sort order", &error))
    }
}

fn primitive(kind: Kind) -> PrimitiveType {
    match kind {
        Kind::Long => PrimitiveType::Long,
        Kind::Int => PrimitiveType::Int,
        Kind::Date => PrimitiveType::Date,
        Kind::Bool => PrimitiveType::Boolean,
        Kind::Instant => PrimitiveType::Timestamptz,
        Kind::Text | Kind::Id | Kind::Word(_) | Kind::List | Kind::Digest | Kind::Json => {
            PrimitiveType::String
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::silver::TABLES;
    use super::*;

    #[test]
    fn every_table_has_a_schema_a_division_and_an_order() {
        for table in TABLES {
            let schema = table.schema().unwrap();
            assert_eq!(schema.highest_field_id() as usize, table.columns.len(), "{}", table.full_name());
            table.arrow_schema().unwrap();
            let spec = table.partition_spec(4).unwrap();
            spec.bind(schema.clone()).unwrap();
            table.sort_order().unwrap();
            let names: Vec<_> = table
                .division
                .iter()
                .map(|division| match division {
                    Division::Month(name) | Division::Bucket(name) => *name,
                })
                .chain(table.sorted_by)
                .chain(table.bloom)
                .collect();
            for name in names {
                assert!(schema.field_by_name(name).is_some(), "{}.{name}", table.full_name());
            }
        }
    }

    #[test]
    fn no_column_holds_an_identifier_or_a_name() {
        let columns = TABLES.iter().flat_map(|table| table.columns);
        for column in columns {
            for word in ["id_number", "token", "name_of", "full_name", "phone", "email", "address"] {
                assert!(!column.name.contains(word), "{}", column.name);
            }
        }
    }
}
