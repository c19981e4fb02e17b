//! Models that a host loads by itself, and settings that cannot be meant.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "support/models.rs"]
mod support;

use std::error::Error;
use std::time::Duration;

use lyra_errors::Classify;
use lyra_gpu::{
    Candidate, GIB, GpuError, GpuManager, LoadError, LoadVerdict, Loaded, MIB, ModelSpec, Policy,
    SimSource, global, set_global,
};
use support::{LONG, card, manager, model, secs};

fn code(result: Result<impl Sized, GpuError>) -> &'static str {
    result.err().map_or("ok", |error| error.code().id())
}

#[test]
fn a_registered_model_is_used_counted_and_given_up() {
    let sim = card();
    let gpu = manager(&sim);
    let memory = sim.take("sim-0", 6 * GIB).unwrap();
    gpu.register(&model("embedder", 6), Loaded::value(memory)).unwrap();
    assert_eq!(
        code(gpu.register(&model("embedder", 6), Loaded::value(()))),
        "gpu.already_registered"
    );
    let used = gpu.model("embedder").unwrap();
    assert_eq!(used.grant().shares, [("sim-0".into(), 6 * GIB)]);
    assert!(used.value::<lyra_gpu::SimMemory>().is_some() && used.value::<u8>().is_none());
    assert_eq!((gpu.status().models[0].uses, gpu.status().models[0].refs), (1, 1));
    assert_eq!(code(gpu.unregister("embedder")), "gpu.in_use");
    assert_eq!(code(gpu.unload("embedder")), "gpu.in_use");
    drop(used);
    gpu.unregister("embedder").unwrap();
    assert_eq!(code(gpu.unregister("embedder")), "gpu.unknown_model");
    assert!(gpu.model("embedder").is_none() && gpu.status().models.is_empty());
    assert_eq!(sim.peak("sim-0"), 6 * GIB);
}

#[test]
fn a_reservation_is_given_out_once_and_comes_back() {
    let sim = card();
    let gpu = manager(&sim);
    let first = gpu.try_reserve(&model("a", 50)).unwrap();
    assert_eq!(first.grant().shares, [("sim-0".into(), 50 * GIB)]);
    assert_eq!(code(gpu.try_reserve(&model("b", 50))), "gpu.no_room");
    assert_eq!(code(gpu.try_reserve(&model("a", 1))), "gpu.already_registered");
    drop(first);
    let again = gpu.try_reserve(&model("b", 85)).unwrap();
    assert_eq!(gpu.status().devices[0].headroom, 0);
    let held = again.commit(Loaded::value(sim.take("sim-0", 80 * GIB).unwrap()));
    assert_eq!((held.name(), held.variant()), ("b", "gpu"));
    assert_eq!(code(gpu.try_reserve(&model("c", 86))), "gpu.too_large");
    let on_cpu = ModelSpec::new("d").with_candidate(Candidate::cpu("cpu", 1));
    assert_eq!(code(gpu.try_reserve(&on_cpu)), "gpu.no_device");
}

#[test]
fn whether_a_model_can_be_loaded_is_advice() {
    let sim = card();
    let gpu = manager(&sim);
    let fits = LoadVerdict::Fits { device: "sim-0".into() };
    assert_eq!(gpu.can_load_model(85 * GIB), fits);
    assert_eq!(gpu.can_load_model(86 * GIB), LoadVerdict::TooLarge { largest: 85 * GIB });
    gpu.register(&model("idle", 60), Loaded::value(())).unwrap();
    let models = vec!["idle".into()];
    let after = LoadVerdict::FitsAfterEviction { device: "sim-0".into(), models };
    assert_eq!(gpu.can_load_model(30 * GIB), after);
    let used = gpu.model("idle").unwrap();
    assert_eq!(gpu.can_load_model(30 * GIB), LoadVerdict::WaitsForUse);
    assert!(
        !gpu.can_load_model(30 * GIB).is_loadable() && gpu.can_load_model(25 * GIB).is_loadable()
    );
    drop(used);
    let cpu_only = GpuManager::builder(SimSource::new().with_cpu(GIB)).build().unwrap();
    assert_eq!(cpu_only.can_load_model(1), LoadVerdict::NoGpu);
    assert!(!cpu_only.status().has_gpu);
}

#[test]
fn a_split_takes_its_parts_of_several_cards_at_once() {
    let sim = SimSource::new().with_gpu("one", 100 * GIB).with_gpu("two", 60 * GIB);
    let gpu = manager(&sim);
    let spec = ModelSpec::new("wide").with_candidate(Candidate::split("2", [40 * GIB, 70 * GIB]));
    let wide = gpu.try_reserve(&spec).unwrap();
    assert_eq!(wide.grant().shares, [("one".into(), 70 * GIB), ("two".into(), 40 * GIB)]);
    assert_eq!(code(gpu.try_reserve(&model("more", 20))), "gpu.no_room");
    drop(wide);
    let on_two = ModelSpec::new("there").with_candidate(Candidate::gpu("g", 10 * GIB).on("two"));
    let there = gpu.try_reserve(&on_two).unwrap();
    assert_eq!(there.grant().shares[0].0, "two".into());
    assert_eq!(code(gpu.try_reserve(&spec)), "ok");
}

#[test]
fn settings_that_cannot_be_meant_are_refused_by_name() {
    let build = |policy| GpuManager::builder(card()).with_policy(policy).build();
    let error = build(Policy::default().with_warning(95)).unwrap_err();
    assert!(error.to_string().starts_with("`thresholds` is not valid"), "{error}");
    let marks = "low 75, warning 95 with its clear mark at 92, admit 92, critical 90";
    assert!(error.to_string().contains(marks), "{error}");
    for bad in [
        Policy::default().with_low(80),
        Policy::default().with_admit(90),
        Policy::default().with_critical(101),
        Policy::default().with_warning_clear(80),
        Policy::default().with_critical_clear(79),
        Policy::default().with_sample_interval(secs(0)),
        Policy::default().with_sample_interval(Duration::from_micros(9_999)),
        Policy::default().with_load_timeout(secs(0)),
    ] {
        assert_eq!(code(build(bad)), "gpu.invalid");
    }
    let gpu = manager(&card());
    for bad in [
        ModelSpec::new("none"),
        model("", 1),
        model(" \n", 1),
        model("twice", 1).with_candidate(Candidate::cpu("gpu", GIB)),
        model("zero", 0),
        ModelSpec::new("split").with_candidate(Candidate::split("x", [])),
    ] {
        assert_eq!(code(gpu.try_reserve(&bad)), "gpu.invalid");
    }
    assert_eq!(code(GpuManager::builder(SimSource::new()).build()), "gpu.no_device");
    assert_eq!(code(gpu.start()), "gpu.not_running", "outside of a runtime");
}

#[test]
fn a_refusal_names_what_was_wanted_and_what_there_is() {
    let gpu = manager(&SimSource::new().with_gpu("small", MIB / 8));
    let told = |candidate: Candidate| {
        let spec = ModelSpec::new("a").with_candidate(candidate);
        gpu.try_reserve(&spec).unwrap_err().to_string()
    };
    let no_device = |wanted: &str| {
        format!("no device for this: `a` asks for {wanted}, and there are 1 GPUs and 0 CPUs")
    };
    assert_eq!(told(Candidate::gpu("v", 1).on("none")), no_device("the GPU `none`"));
    assert_eq!(told(Candidate::cpu("v", 1)), no_device("the CPU"));
    assert_eq!(told(Candidate::cpu("v", 1).on("small")), no_device("the CPU `small`"));
    assert_eq!(told(Candidate::split("v", [1, 1])), no_device("2 GPUs at once"));
    let too_large = "a: the smallest candidate takes 1000 B, and at most 0 B are ever admitted";
    assert_eq!(told(Candidate::gpu("v", 1_000)), too_large);
}

#[tokio::test(start_paused = true)]
async fn out_of_memory_with_every_candidate_has_a_code_of_its_own() {
    let sim = card();
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    let load = |_| async { Err(LoadError::out_of_memory("no memory left")) };
    let error = gpu.acquire(&model("liar", 10), LONG, load).await.unwrap_err();
    assert_eq!(error.code().id(), "gpu.out_of_memory");
    assert_eq!(error.source().unwrap().to_string(), "out of memory: no memory left");
    assert_eq!(gpu.status().counts.out_of_memory, 2);
}

#[tokio::test(start_paused = true)]
async fn an_idle_model_goes_after_its_time_and_a_pinned_one_never() {
    let sim = card();
    let gpu = manager(&sim);
    let _monitor = gpu.start().unwrap();
    let idle = model("idle", 10).with_idle_ttl(secs(60));
    gpu.register(&idle, Loaded::value(sim.take("sim-0", 10 * GIB).unwrap())).unwrap();
    gpu.register(
        &model("pinned", 60).pinned(),
        Loaded::value(sim.take("sim-0", 60 * GIB).unwrap()),
    )
    .unwrap();
    tokio::time::sleep(secs(58)).await; // tidy: sleep - the clock is paused
    assert_eq!(gpu.status().models.len(), 2);
    tokio::time::sleep(secs(5)).await; // tidy: sleep - the clock is paused
    assert_eq!(gpu.status().models.len(), 1);
    assert_eq!(gpu.can_load_model(50 * GIB), LoadVerdict::WaitsForUse);
}

#[test]
fn the_status_is_one_document_of_json() {
    let gpu = manager(&card());
    gpu.register(&model("idle", 60).pinned(), Loaded::value(())).unwrap();
    let json = gpu.status().to_json();
    let total = 100 * GIB;
    let device = format!(
        "{{\"uuid\":\"sim-0\",\"index\":0,\"name\":\"simulated GPU\",\"kind\":\"gpu\",\
         \"state\":\"good\",\"total\":{total},\"free\":{total},\"used\":0,"
    );
    assert!(json.contains(&device), "{json}");
    assert!(json.contains(r#""name":"idle","variant":"gpu","rung":0,"state":"ready""#), "{json}");
    assert!(json.contains(r#""pinned":true"#) && json.ends_with(r#""waiting":0,"closed":false}"#));
}

#[test]
fn the_first_process_wide_manager_wins() {
    let mine = manager(&card());
    set_global(mine).unwrap();
    assert!(global().unwrap().status().has_gpu);
    assert!(set_global(manager(&SimSource::new().with_cpu(GIB))).is_err());
    assert!(global().unwrap().status().has_gpu);
}
