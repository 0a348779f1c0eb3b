//! The backend that runs: argument, then environment, then the automatic choice; and the reported reason.

use raptors_kernel::{Backend, Error, MAX_THREADS, Request, available, scale, scaled};

use crate::common::in_new_process;

/// Prints the choice of a default request, or the error.
#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn show() {
    for n in [10, 1 << 20] {
        match scaled(&vec![1.0f32; n], 2.0, &Request::default()) {
            Ok((_, choice)) => println!("n = {n}: {} {choice}", choice.backend),
            Err(error) => println!("error: {error}"),
        }
    }
}

/// Prints the choice of a request for scalar.
#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn show_argument() {
    let request = Request { backend: Some(Backend::SCALAR), threads: Some(1), ..Request::default() };
    println!("{}", scaled(&[1.0f32], 2.0, &request).unwrap().1);
}

#[test]
fn automatic_is_simd_on_one_thread() {
    let said = in_new_process("choice::show", &[]);
    assert!(said.contains("n = 1048576: simd simd:"), "{said}");
    assert!(said.contains(", 1 thread: automatic: "), "{said}");
}

#[test]
fn the_environment_forces_a_backend() {
    let said = in_new_process("choice::show", &[("RAPTORS_BACKEND", "Chunked:Scalar")]);
    assert!(said.contains("chunked:scalar, 1 thread: asked for by RAPTORS_BACKEND"), "{said}");
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    let said = in_new_process("choice::show", &[("RAPTORS_BACKEND", ""), ("RAPTORS_THREADS", "")]);
    assert!(said.contains("automatic: "), "{said}");
}

#[test]
fn an_argument_comes_before_the_environment() {
    let variables = [("RAPTORS_BACKEND", "no such"), ("RAPTORS_THREADS", "none")];
    let said = in_new_process("choice::show_argument", &variables);
    assert!(said.contains("scalar, 1 thread: asked for by the argument"), "{said}");
}

#[test]
fn more_threads_share_long_arrays_only() {
    let said = in_new_process("choice::show", &[("RAPTORS_THREADS", "2")]);
    assert!(said.contains("n = 10: simd"), "{said}");
    assert!(said.contains("1 thread: automatic: too few elements"), "{said}");
    assert!(said.contains("n = 1048576: parallel parallel:simd"), "{said}");
    assert!(said.contains("2 threads: automatic: more than one thread asked for"), "{said}");
}

#[test]
fn one_thread_means_one_even_for_parallel() {
    let variables = [("RAPTORS_THREADS", "1"), ("RAPTORS_BACKEND", "parallel")];
    let said = in_new_process("choice::show", &variables);
    assert!(said.contains("n = 1048576: parallel parallel:simd"), "{said}");
    assert!(said.contains(", 1 thread: asked for by RAPTORS_BACKEND"), "{said}");
}

#[test]
fn a_bad_variable_is_named_with_its_value_and_what_is_taken() {
    let said = in_new_process("choice::show", &[("RAPTORS_BACKEND", "mkl")]);
    assert!(said.contains("RAPTORS_BACKEND is wrong: there is no backend \"mkl\""), "{said}");
    let said = in_new_process("choice::show", &[("RAPTORS_THREADS", "0")]);
    assert!(said.contains("RAPTORS_THREADS is wrong: \"0\" is not a number of threads"), "{said}");
    let said = in_new_process("choice::show", &[("RAPTORS_ALLOC", "huge")]);
    assert!(said.contains("RAPTORS_ALLOC is wrong: \"huge\" is given; plain"), "{said}");
}

#[test]
fn a_bad_argument_leaves_the_destination_untouched() {
    let mut dst = [7.0f32; 4];
    for threads in [0, MAX_THREADS + 1] {
        let request = Request { backend: None, threads: Some(threads), ..Request::default() };
        let error = scale(&[1.0; 4], 2.0, &mut dst, &request).unwrap_err();
        assert_eq!(error, Error::Threads { given: threads.to_string() });
    }
    let error = scale(&[1.0; 3], 2.0, &mut dst, &Request::default()).unwrap_err();
    assert_eq!(error, Error::Length { source_len: 3, destination_len: 4 });
    assert_eq!(dst, [7.0; 4]);
}

#[test]
fn a_backend_of_another_machine_says_so() {
    let here = available();
    assert!(here.contains(&Backend::SCALAR) && here.contains(&Backend::PARALLEL));
    for name in ["simd:neon", "simd:avx2", "accelerate", "parallel:accelerate:vDSP_vsmsa"] {
        let backend: Backend = name.parse().unwrap();
        let request = Request { backend: Some(backend), threads: None, ..Request::default() };
        match scaled(&[1.0f64], 2.0, &request) {
            Ok((_, choice)) => assert!(here.contains(&choice.backend), "{name} is not listed"),
            Err(error @ Error::Unavailable { .. }) => {
                assert!(!here.contains(&backend), "{name} is listed, but: {error}");
                assert!(error.to_string().contains(name), "{error}");
            }
            Err(other) => panic!("{name}: {other}"),
        }
    }
}
