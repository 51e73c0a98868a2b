//! Evaluations a second, by hand: `cargo run --release -p filter --example rate`.
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
    let items: Vec<Value> = (0..100)
        .map(|n| json!({ "n": n, "name": format!("item {n}") }))
        .collect();
    let sample = Sample {
        height: 131.5,
        data: json!({ "body": { "x": 1, "items": items }, "headers": { "y": "z" } }),
    };
    let vocabulary = Vocabulary::of(["height", "data"]);
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
    Ok(())
}
