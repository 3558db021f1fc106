"""The peers of the sweep benchmark: the same rows and comparisons in DuckDB, Polars and pandas, loaded before the clock
starts. Prints one JSON line per engine: median of so many rounds, findings, codes."""
import json, sys, time

folder, rounds = sys.argv[1], int(sys.argv[2])
LEGS = ("crm", "psa", "erp")
# (codes of a milestone, by leg): said column against agreed column
CHECKS = {
    "crm": [("amount", ["amount"])],
    "psa": [("amount", ["amount"]), ("terms", ["window_days", "deemed", "completion"])],
    "erp": [("amount", ["amount"]), ("terms", ["window_days", "deemed", "completion"]), ("timing", ["timing", "invoice"]),
            ("description", ["description"]), ("method", ["method"])],
}
CHECKS["crm"].append(("terms", ["window_days", "deemed", "completion"]))
FRAME = {"crm": ["amount", "currency", "customer", "payment_terms"], "psa": ["currency", "customer"],
         "erp": ["amount", "currency", "customer", "payment_terms"]}


def median(run):
    times, result = [], None
    for _ in range(rounds):
        begun = time.perf_counter()
        result = run()
        times.append((time.perf_counter() - begun) * 1000)
    return sorted(times)[rounds // 2], result


def say(engine, ms, findings, codes):
    print(json.dumps({"engine": engine, "ms": ms, "findings": int(findings), "codes": int(codes)}), flush=True)


def duckdb_run():
    import duckdb
    db = duckdb.connect(":memory:", config={"threads": 2})
    narrow = ("k::BIGINT k, contract::INT contract, amount::BIGINT amount, description::INT description, window_days::SMALLINT window_days, "
              "completion::TINYINT completion, timing::TINYINT timing, invoice::TINYINT invoice, method::TINYINT method, deemed::TINYINT deemed, "
              "reached::TINYINT reached, billable::TINYINT billable, crm_listed::TINYINT crm_listed, psa_listed::TINYINT psa_listed, erp_listed::TINYINT erp_listed")
    for t in ("agreement",) + LEGS:
        db.execute(f"create table {t} as select {narrow} from read_csv('{folder}/{t}.csv', all_varchar=true)")
        db.execute(f"create table {t}_contracts as select columns(*)::BIGINT from read_csv('{folder}/{t}_contracts.csv', all_varchar=true)")
    differ = lambda l, columns: "(" + " or ".join(f"({l}.{c} <> a.{c})" for c in columns) + ")"
    def mask(l):
        parts = [f"coalesce({differ(l, c)}, false)::INT << {i}" for i, (_, c) in enumerate(CHECKS[l])]
        if l == "psa":
            parts.append("coalesce(psa.reached = 1 and a.reached = 0, false)::INT << 5")
        parts.append(f"({l}.k is null and a.{l}_listed = 1 and a.billable = 1)::INT << 6")
        return " | ".join(f"({p})" for p in parts)
    # any of several comparisons may be null (not carried): false or null is null, so each is coalesced alone
    differ = lambda l, columns: "(" + " or ".join(f"coalesce({l}.{c} <> a.{c}, false)" for c in columns) + ")"
    joined = "select a.k, " + ", ".join(f"{mask(l)} as {l}_mask" for l in LEGS) + " from agreement a " + " ".join(f"left join {l} on {l}.k = a.k" for l in LEGS)
    frames = []
    for l in LEGS:
        parts = [f"(coalesce(l.{c} <> a.{c}, false))::INT << {i}" for i, c in enumerate(FRAME[l])]
        parts += ["(coalesce(l.window_days <> a.window_days or l.deemed <> a.deemed, false))::INT << 5", "(coalesce(l.version < a.version, false))::INT << 6"]
        if l == "crm":
            parts.append("(l.won = 0)::INT << 7")
        frames.append(f"select a.contract as k, '{l}' as leg, {' | '.join(f'({p})' for p in parts)} as mask from agreement_contracts a join {l}_contracts l using (contract)")
    unknown = " union all ".join(f"select k, '{l}', 1 from {l} where not exists (select 1 from agreement a where a.k = {l}.k)" for l in LEGS)
    sql = ("create or replace temp table findings as with j as materialized (" + joined + ") "
           + " union all ".join(f"select k, '{l}' as leg, {l}_mask as mask from j where {l}_mask <> 0" for l in LEGS)
           + " union all " + " union all ".join(f"select * from ({f}) where mask <> 0" for f in frames) + " union all " + unknown)
    ms, _ = median(lambda: db.execute(sql))
    say("DuckDB, tuned SQL", ms, *db.execute("select count(*), sum(bit_count(mask)) from findings").fetchone())


def frame_engine(name):
    if name == "pandas":
        import pandas as pd
        load = lambda t: pd.read_csv(f"{folder}/{t}.csv")
    else:
        import polars as pl
        load = lambda t: pl.read_csv(f"{folder}/{t}.csv", infer_schema_length=0).cast(pl.Int64)
    tables = {t: load(t) for t in ("agreement",) + LEGS}
    contracts = {t: load(t + "_contracts") for t in ("agreement",) + LEGS}

    def pandas_run():
        import numpy as np
        findings = codes = 0
        a = tables["agreement"]
        for l in LEGS:
            m = a.merge(tables[l], on="k", how="outer", suffixes=("_a", ""), indicator=True)
            both, left, right = (m["_merge"] == x for x in ("both", "left_only", "right_only"))
            mask = np.zeros(len(m), dtype=np.int32)
            for i, (_, columns) in enumerate(CHECKS[l]):
                hit = np.zeros(len(m), dtype=bool)
                for c in columns:
                    hit |= (both & m[c].notna() & (m[c] != m[c + "_a"])).to_numpy()
                mask |= hit.astype(np.int32) << i
            if l == "psa":
                mask |= (both & (m["reached"] == 1) & (m["reached_a"] == 0)).to_numpy().astype(np.int32) << 5
            mask |= (left & (m[l + "_listed_a"] == 1) & (m["billable_a"] == 1)).to_numpy().astype(np.int32) << 6
            mask |= right.to_numpy().astype(np.int32) << 7
            out = m.loc[mask != 0, ["k"]].assign(mask=mask[mask != 0])
            f = contracts["agreement"].merge(contracts[l], on="contract", suffixes=("_a", ""))
            fm = np.zeros(len(f), dtype=np.int32)
            for i, c in enumerate(FRAME[l]):
                fm |= (f[c].notna() & (f[c] != f[c + "_a"])).to_numpy().astype(np.int32) << i
            fm |= ((f["window_days"] != f["window_days_a"]) | (f["deemed"] != f["deemed_a"])).to_numpy().astype(np.int32) << 5
            fm |= (f["version"] < f["version_a"]).to_numpy().astype(np.int32) << 6
            if l == "crm":
                fm |= (f["won"] == 0).to_numpy().astype(np.int32) << 7
            fout = f.loc[fm != 0, ["contract"]].assign(mask=fm[fm != 0])
            findings += len(out) + len(fout)
            codes += sum(int(v).bit_count() * n for o in (out, fout) for v, n in o["mask"].value_counts().items())
        return findings, codes

    def polars_run():
        findings = codes = 0
        a = tables["agreement"].lazy()
        for l in LEGS:
            said = tables[l].lazy().with_columns(pl.lit(1).alias("there"))
            m = a.join(said, on="k", how="left", suffix="_s")
            hit = lambda columns: pl.any_horizontal([(pl.col(c + "_s") != pl.col(c)).fill_null(False) for c in columns])
            mask = pl.lit(0)
            for i, (_, columns) in enumerate(CHECKS[l]):
                mask = mask + hit(columns).cast(pl.Int32) * (1 << i)
            if l == "psa":
                mask = mask + ((pl.col("reached_s") == 1) & (pl.col("reached") == 0)).fill_null(False).cast(pl.Int32) * 32
            mask = mask + (pl.col("there").is_null() & (pl.col(l + "_listed") == 1) & (pl.col("billable") == 1)).cast(pl.Int32) * 64
            out = m.select("k", mask.alias("mask")).filter(pl.col("mask") != 0)
            unknown = said.join(a, on="k", how="anti").select("k", pl.lit(1).alias("mask"))
            f = contracts["agreement"].lazy().join(contracts[l].lazy(), on="contract", suffix="_s")
            fm = pl.lit(0)
            for i, c in enumerate(FRAME[l]):
                fm = fm + (pl.col(c + "_s") != pl.col(c)).fill_null(False).cast(pl.Int32) * (1 << i)
            fm = fm + ((pl.col("window_days_s") != pl.col("window_days")) | (pl.col("deemed_s") != pl.col("deemed"))).cast(pl.Int32) * 32
            fm = fm + (pl.col("version_s") < pl.col("version")).cast(pl.Int32) * 64
            if l == "crm":
                fm = fm + (pl.col("won_s") == 0).cast(pl.Int32) * 128
            fout = f.select("contract", fm.alias("mask")).filter(pl.col("mask") != 0)
            for o in pl.collect_all([out, unknown, fout]):
                findings += o.height
                codes += int(o["mask"].bitwise_count_ones().sum())
        return findings, codes

    ms, (findings, codes) = median(pandas_run if name == "pandas" else polars_run)
    say(name if name == "pandas" else "Polars, lazy", ms, findings, codes)


duckdb_run()
frame_engine("polars")
frame_engine("pandas")
