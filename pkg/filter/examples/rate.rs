//! Evaluations a second, and the longest ones, by hand: `cargo run --release -p filter --example rate`.
#![expect(clippy::print_stdout, reason = "the output is the purpose")]

use filter::{Filter, Variable, Variables, Vocabulary};
use serde_json::{Value, json};
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

struct Sample {
    height: f64,
    data: Value,
}

impl Variables for Sample {
    fn name(&self, name: &str) -> Option<Variable<'_>> {
        match name {
            "height" => Some(Variable::Double(self.height)),
            "data" => Some(Variable::Json(&self.data)),
            _ => None,
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let vocabulary = Vocabulary::of(["height", "data"]);
    let items: Vec<Value> = (0..100)
        .map(|n| json!({ "n": n, "name": format!("item {n}") }))
        .collect();
    let sample = Sample {
        height: 131.5,
        data: json!({ "body": { "x": 1, "items": items }, "headers": { "y": "z" } }),
    };
    for text in [
        "height > 120",
        "height > 120 && height < 140 || height == 0.0",
        "data.body.x == 1 && data.headers.y == \"z\"",
        "data.body.items.exists(x, x.n == 99)",
    ] {
        let filter = Filter::compile(text, &vocabulary)?;
        let (start, mut count) = (Instant::now(), 0_u32);
        while start.elapsed() < Duration::from_secs(2) {
            for _ in 0..100 {
                black_box(filter.evaluate(black_box(&sample))?);
            }
            count += 100;
        }
        let rate = f64::from(count) / start.elapsed().as_secs_f64();
        println!("{rate:>12.0} a second, {:>8.0} ns: {text}", 1e9 / rate);
    }
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < Duration::from_secs(1) {
        black_box(Filter::compile("height > 120", &vocabulary)?);
        count += 1;
    }
    println!(
        "{:>12.0} compiled a second",
        f64::from(count) / start.elapsed().as_secs_f64()
    );

    // As much as a message of 64 KiB holds, or more.
    let numbers = vec![1; 40_000];
    let fields: serde_json::Map<_, _> = (0..8_000).map(|n| (n.to_string(), n.into())).collect();
    let sample = Sample {
        height: 131.5,
        data: json!({ "l": numbers, "ll": [numbers], "m": fields, "t": "x".repeat(64 * 1024) }),
    };
    for (what, text) in [
        ("a long list", "data.l.all(x, x >= 0)".to_owned()),
        ("errors in each round", "data.l.all(x, x > 'a' || x >= 0)".to_owned()),
        ("sums of lists", format!("size({}) > 0", ["data.l"; 6].join("+"))),
        (
            "copies of a list",
            format!("data.ll.all(x, [{}] != [])", ["x"; 12].join(",")),
        ),
        (
            "comparisons of a list",
            format!("data.ll.all(x, {})", ["x==x"; 5].join("&&")),
        ),
        ("a long text", "data.t.contains('y') || [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19].exists(x, data.t.contains(string(x)))".to_owned()),
        ("maps", ["data.m==data.m"; 30].join("&&")),
        ("a large body", format!("data.l.all(x, {})", ["x<2"; 2].join("&&"))),
    ] {
        let filter = Filter::compile(&text, &vocabulary)?;
        let start = Instant::now();
        let result = black_box(filter.evaluate(black_box(&sample)));
        println!("{:>12.1} ms: {what}: {result:?}", start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}
