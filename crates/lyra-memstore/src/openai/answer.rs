//! From the bytes of an answer to one vector for each text. An endpoint is a
//! foreign program: nothing that it says is believed unchecked.

use serde::Deserialize;

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Vec<f32>,
}

/// What is wrong with an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Wrong {
    /// It ends in the middle: the connection broke where no length was told.
    CutShort(String),
    /// It is not what was asked for.
    Other(String),
}

/// One vector of `dimension` finite numbers for each of `texts`, in order.
pub(super) fn decode(body: &[u8], texts: usize, dimension: u32) -> Result<Vec<Vec<f32>>, Wrong> {
    let answer: Answer = serde_json::from_slice(body).map_err(|error| {
        let told = format!("it is not the JSON that was expected: {error}");
        if error.is_eof() { Wrong::CutShort(told) } else { Wrong::Other(told) }
    })?;
    ordered(answer.data, texts, dimension as usize).map_err(Wrong::Other)
}

fn ordered(items: Vec<Item>, texts: usize, dimension: usize) -> Result<Vec<Vec<f32>>, String> {
    let count = items.len();
    if count != texts {
        return Err(format!("{count} vectors for {texts} texts"));
    }
    let mut places: Vec<Option<Vec<f32>>> = vec![None; texts];
    for Item { index, embedding } in items {
        let length = embedding.len();
        if length != dimension {
            return Err(format!("vector {index} has {length} numbers instead of {dimension}"));
        }
        if embedding.iter().any(|number| !number.is_finite()) {
            return Err(format!("vector {index} holds a number that is not finite"));
        }
        let place = places
            .get_mut(index)
            .ok_or_else(|| format!("the index {index} for one of {texts} texts"))?;
        if place.replace(embedding).is_some() {
            return Err(format!("the index {index} twice"));
        }
    }
    // As many as there are places, and none of them twice.
    Ok(places.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(body: &str) -> Result<Vec<Vec<f32>>, Wrong> {
        super::decode(body.as_bytes(), 2, 2)
    }

    #[test]
    fn vectors_come_in_the_order_of_the_texts() {
        let body = r#"{"object":"list","data":[{"index":1,"embedding":[3,4]},
            {"object":"embedding","index":0,"embedding":[1,-2.5e-3]}],"usage":{}}"#;
        assert_eq!(decode(body).unwrap(), [[1.0, -0.0025], [3.0, 4.0]]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let one = r#"{"index":0,"embedding":[1,2]}"#;
        for (second, said) in [
            ("", "1 vectors for 2 texts"),
            (r#",{"index":0,"embedding":[1,2]}"#, "the index 0 twice"),
            (r#",{"index":2,"embedding":[1,2]}"#, "the index 2 for one of 2 texts"),
            (r#",{"index":1,"embedding":[1]}"#, "vector 1 has 1 numbers instead of 2"),
            (r#",{"index":1,"embedding":[1,1e39]}"#, "number out of range"),
            (r#",{"index":1,"embedding":[1,1e999]}"#, "number out of range"),
            (r#",{"index":1,"embedding":[1,null]}"#, "invalid type: null"),
            (r#",{"index":1,"embedding":[1,NaN]}"#, "expected value"),
            (r#",{"index":1,"embedding":"AACAPw=="}"#, "expected a sequence"),
            (r#",{"index":-1,"embedding":[1,2]}"#, "expected usize"),
            (r#",{"embedding":[1,2]}"#, "missing field `index`"),
        ] {
            let wrong = decode(&format!(r#"{{"data":[{one}{second}]}}"#)).unwrap_err();
            let Wrong::Other(told) = wrong else { panic!("{wrong:?}") };
            assert!(told.contains(said), "{told:?} does not say {said:?}");
        }
    }

    #[test]
    fn an_end_in_the_middle_is_told_from_nonsense() {
        for body in ["", "{\"data\":[{\"index\":0,\"embedding\":[1,", "{\"data\":[]"] {
            assert!(matches!(decode(body), Err(Wrong::CutShort(_))), "{body}");
        }
        for body in ["<html>", "[]", "{}", "{\"data\":[]} more"] {
            assert!(matches!(decode(body), Err(Wrong::Other(_))), "{body}");
        }
    }
}
