//! A rule that swaps the operands within an operation. The rule belongs to the process.

use raptors_kernel::{Dtype, Element, FactorFirst, Request, factor_first, scaled, set_factor_first};

use crate::common::{alone, own_backends};

/// The rule holds across pieces and vectors too.
#[test]
fn a_rule_for_the_rest_after_whole_blocks_is_followed() {
    let _alone = alone();
    let before = factor_first(Dtype::Float32);
    let rule = Some(FactorFirst { above: 16, block: 16 });
    let (element, factor) = (0x7fc0_0123, 0xffc0_0456);
    let said = |n: usize| -> Vec<u64> {
        let whole = if n > 16 { n - n % 16 } else { n };
        (0..n).map(|i| if i < whole { element } else { factor }).collect()
    };
    set_factor_first(Dtype::Float32, rule);
    assert_eq!(factor_first(Dtype::Float32), rule);
    for n in (0..=130).chain([(2 << 20) + 11]) {
        let values = vec![f32::from_bits(element as u32); n];
        for backend in own_backends() {
            let request = Request { backend: Some(backend), threads: Some(2), ..Request::default() };
            let (result, _) = scaled(&values, f32::from_bits(factor as u32), &request).unwrap();
            let bits: Vec<u64> = result.iter().map(|value| value.bits()).collect();
            assert_eq!(bits, said(n), "{backend}, n = {n}");
        }
    }
    set_factor_first(Dtype::Float32, before);
}
