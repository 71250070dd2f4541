//! What travels between the domain and a database.

use super::{Error, Result};

/// A parameter or a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl From<bool> for Value {
    fn from(it: bool) -> Value {
        Value::Bool(it)
    }
}
impl From<i64> for Value {
    fn from(it: i64) -> Value {
        Value::Int(it)
    }
}
impl From<String> for Value {
    fn from(it: String) -> Value {
        Value::Text(it)
    }
}
impl From<&str> for Value {
    fn from(it: &str) -> Value {
        Value::Text(it.to_owned())
    }
}
impl From<uuid::Uuid> for Value {
    fn from(it: uuid::Uuid) -> Value {
        Value::Text(it.to_string())
    }
}
impl From<Vec<u8>> for Value {
    fn from(it: Vec<u8>) -> Value {
        Value::Bytes(it)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(it: Option<T>) -> Value {
        it.map_or(Value::Null, Into::into)
    }
}

/// One row of an answer, by position.
#[derive(Debug)]
pub struct Row(pub(super) Vec<Value>);

impl From<Vec<Value>> for Row {
    fn from(columns: Vec<Value>) -> Row {
        Row(columns)
    }
}

impl Row {
    pub fn text(&self, index: usize) -> Result<&str> {
        self.opt_text(index)?.ok_or(Error::Column { index, wanted: "text" })
    }

    pub fn opt_text(&self, index: usize) -> Result<Option<&str>> {
        match self.0.get(index) {
            Some(Value::Text(it)) => Ok(Some(it)),
            Some(Value::Null) => Ok(None),
            _ => Err(Error::Column { index, wanted: "text" }),
        }
    }

    pub fn uuid(&self, index: usize) -> Result<uuid::Uuid> {
        self.text(index)?.parse().map_err(|_| Error::Column { index, wanted: "a UUID" })
    }

    pub fn opt_uuid(&self, index: usize) -> Result<Option<uuid::Uuid>> {
        let text = self.opt_text(index)?;
        text.map(|it| it.parse().map_err(|_| Error::Column { index, wanted: "a UUID" })).transpose()
    }

    /// A column that holds JSON text.
    pub fn json<T: serde::de::DeserializeOwned>(&self, index: usize) -> Result<T> {
        serde_json::from_str(self.text(index)?)
            .map_err(|_| Error::Column { index, wanted: "the JSON it should be" })
    }

    pub fn int(&self, index: usize) -> Result<i64> {
        self.opt_int(index)?.ok_or(Error::Column { index, wanted: "an integer" })
    }

    pub fn opt_int(&self, index: usize) -> Result<Option<i64>> {
        match self.0.get(index) {
            Some(Value::Int(it)) => Ok(Some(*it)),
            Some(Value::Null) => Ok(None),
            _ => Err(Error::Column { index, wanted: "an integer" }),
        }
    }

    pub fn bool(&self, index: usize) -> Result<bool> {
        match self.0.get(index) {
            Some(Value::Bool(it)) => Ok(*it),
            // SQLite has no booleans.
            Some(Value::Int(it)) => Ok(*it != 0),
            _ => Err(Error::Column { index, wanted: "a boolean" }),
        }
    }

    pub fn bytes(&self, index: usize) -> Result<&[u8]> {
        self.opt_bytes(index)?.ok_or(Error::Column { index, wanted: "bytes" })
    }

    pub fn opt_bytes(&self, index: usize) -> Result<Option<&[u8]>> {
        match self.0.get(index) {
            Some(Value::Bytes(it)) => Ok(Some(it)),
            Some(Value::Null) => Ok(None),
            _ => Err(Error::Column { index, wanted: "bytes" }),
        }
    }
}
