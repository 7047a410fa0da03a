/// The Python of an exported notebook. No text of an experiment stands in it: names come from the tables.
enum NotebookSource {
  /// Reads `comparison.csv` and further tables into variables of their names.
  static func tables(_ names: [String]) -> String {
    let reads = (["comparison"] + names).map { "\($0) = read(\"\($0)\")" }.joined(separator: "\n")
    return #"""
      import json
      import os
      from pathlib import Path

      import matplotlib.pyplot as plt
      import numpy as np
      import pandas as pd

      FOLDER = Path(".")
      NAMES = ["experiment", "model", "strategy", "task", "protocol", "cache", "task_label", "figure", "cell", "full_cell"]


      def read(table):
          """A table of this folder. Names stay texts, and only an empty field is missing: a strategy may be called "NA" or "1"."""
          return pd.read_csv(FOLDER / f"{table}.csv", dtype={name: str for name in NAMES}, keep_default_na=False, na_values=[""])


      \#(reads)
      numbers = {}  # what is worked out and drawn, for programs
      comparison.groupby(["model", "context_length", "strategy"], sort=False).size().rename("cells").reset_index()
      """#
  }

  static let looks = #"""
    # Colours of Okabe and Ito, which people with any common colour vision tell apart; marks differ as well.
    COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]
    MARKS = ["o", "s", "^", "D", "v", "P", "X"]


    def looks(names):
        """A colour and a mark for each name: the first 49 differ from each other."""
        return {
            name: {"color": COLOURS[i % 7], "marker": MARKS[(i + i // 7) % 7]}
            for i, name in enumerate(dict.fromkeys(names))
        }


    def plain(text):
        """A text that is shown as it is: a dollar sign begins no formula."""
        return str(text).replace("$", r"\$")


    def whiskers(frame):
        """How far the ends of an interval lie from the difference; nothing is drawn where there is none."""
        return np.array([frame["difference"] - frame["difference_low"], frame["difference_high"] - frame["difference"]])


    def panels(count, height):
        """Axes under each other."""
        figure, axes = plt.subplots(count, 1, figsize=(10, height * count), squeeze=False, layout="constrained")
        return axes[:, 0]


    def legend(axes, names, style):
        """Names beside the axes, with their marks."""
        marks = [plt.Line2D([], [], linestyle="none", **style[name]) for name in names]
        axes.legend(marks, [plain(name) for name in names], loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small")


    UNITS = {"negativeLogLikelihood": "nats a token more than full", "score": "score, difference to full"}
    """#

  static let differences = #"""
    PLACE = ["model", "context_length", "task_label"]
    full = comparison.loc[comparison["cell"] == comparison["full_cell"], ["model", "context_length", "strategy"]].drop_duplicates()


    def paired(figure, value):
        """Strategy minus full on each cluster that both have: a window of a text, or a prompt."""
        each = cluster[PLACE + ["strategy", "cluster"]].assign(figure=figure, value=value).dropna(subset=["value"])
        dense = each.merge(full)[PLACE + ["cluster", "value"]]
        both = each.merge(dense, on=PLACE + ["cluster"], suffixes=("", "_full"))
        return both.assign(recomputed=both["value"] - both["value_full"])


    clusters = pd.concat([
        paired("negativeLogLikelihood", cluster["negative_log_likelihood"] / cluster["tokens"]),
        paired("score", cluster["score"]),
    ])
    of_texts = clusters.groupby(PLACE + ["strategy", "figure"], sort=False)["recomputed"].mean().reset_index()
    texts = quality_difference.merge(of_texts, on=PLACE + ["strategy", "figure"], how="left")
    assert np.allclose(texts["difference"], texts["recomputed"], rtol=0, atol=1e-9), "the report's differences are not those of its clusters"

    # Bytes over full's: the mean over the decode steps where it was measured, else what is held after the prompt.
    # None where the strategy acts only after the tokens that were scored: what it holds is no price of that difference.
    held = comparison["mean_kv_cache_resident_bytes_ratio"].fillna(comparison["kv_cache_resident_bytes_ratio"])
    held = held.where(comparison["acts_later"] == 0)
    held = comparison.assign(kv_ratio=held)[["model", "cell", "kv_ratio"]].drop_duplicates(["model", "cell"])
    texts = texts.merge(held, on=["model", "cell"], how="left").assign(title=texts["task_label"])
    numbers["quality_difference"] = (PLACE + ["strategy", "figure"], ["recomputed", "difference_low", "difference_high"], texts)
    texts[PLACE + ["strategy", "figure", "difference", "difference_low", "difference_high", "clusters", "kv_ratio"]]
    """#

  static let pools = #"""
    # Several texts, or tasks of a family, together: each text counts once; prompts of all tasks count alike.
    pooled = read("pooled_difference")
    members = pooled.assign(pool=pooled.index, task_label=pooled["task_labels"].map(json.loads)).explode("task_label")
    members = members[["pool", "figure", "strategy"] + PLACE]
    in_pools = members.merge(clusters, on=PLACE + ["strategy", "figure"])
    is_score = in_pools["figure"] == "score"
    of_texts = in_pools[~is_score].groupby(["pool", "task_label"])["recomputed"].mean().groupby("pool").mean()
    of_prompts = in_pools[is_score].groupby("pool")["recomputed"].mean()
    pooled["recomputed"] = pd.concat([of_texts, of_prompts])
    assert np.allclose(pooled["difference"], pooled["recomputed"], rtol=0, atol=1e-9), "the report's pooled differences are not those of its clusters"

    pooled["kv_ratio"] = members.merge(texts[PLACE + ["strategy", "kv_ratio"]], on=PLACE + ["strategy"]).groupby("pool")["kv_ratio"].mean()
    kind = pooled["task"] + ("/" + pooled["protocol"]).fillna("")
    pooled["title"] = kind + ", " + pooled["task_labels"].map(lambda labels: str(len(json.loads(labels)))) + " together"
    POOL = ["model", "context_length", "task_labels", "strategy", "figure"]
    numbers["pooled_difference"] = (POOL, ["recomputed", "difference_low", "difference_high"], pooled)
    pooled[["model", "context_length", "title", "strategy", "difference", "difference_low", "difference_high", "clusters", "kv_ratio", "worst"]]
    """#

  /// - Parameter hasPools: whether ``pools`` stands before it: then what is taken together is shown so.
  static func frontier(hasPools: Bool) -> String {
    let shown =
      hasPools
      ? #"""
      alone = texts.merge(members[PLACE].drop_duplicates(), on=PLACE, how="left", indicator=True)
      shown = pd.concat([pooled, alone[alone["_merge"] == "left_only"]])
      """#
      : "shown = texts"
    return shown + "\n" + #"""
      shown = shown.dropna(subset=["kv_ratio"])
      groups = list(shown.groupby(["model", "context_length", "title", "figure"], sort=False))
      for axes, ((model, length, title, figure), points) in zip(panels(max(1, len(groups)), 4.5), groups):
          style = looks(points["strategy"])
          better = 1 if figure == "negativeLogLikelihood" else -1
          for (_, point), error in zip(points.iterrows(), whiskers(points).T):
              axes.errorbar(point["kv_ratio"], point["difference"], yerr=error[:, None], linestyle="none", capsize=2, **style[point["strategy"]])
          # The frontier: those of which no other one is better with as few bytes.
          best = points.sort_values(["kv_ratio", "difference"], ascending=[True, better > 0])
          loss = better * best["difference"]
          front = best[loss < loss.cummin().shift(fill_value=np.inf)]
          axes.step(front["kv_ratio"], front["difference"], where="post", color="#888888", linewidth=1, zorder=0)
          axes.plot(1, 0, marker="*", color="black", markersize=10)
          axes.axhline(0, color="#cccccc", linewidth=1, zorder=0)
          axes.set_xscale("log")
          axes.xaxis.set_major_formatter("{x:g}")
          axes.xaxis.set_minor_formatter("{x:g}")
          axes.set_xlabel("KV bytes over those of full (the star)")
          axes.set_ylabel(UNITS[figure])
          axes.set_title(plain(f"{model}, {length:,} tokens, {title}"))
          legend(axes, list(style), style)
      numbers["kv_ratio"] = (PLACE + ["strategy", "figure"], ["kv_ratio"], texts)
      plt.show()
      """#
  }

  static let texts = #"""
    groups = list(texts.groupby(["model", "context_length", "figure"], sort=False))
    rows = max([frame["task_label"].nunique() * (frame["strategy"].nunique() * 0.12 + 0.3) for _, frame in groups], default=4)
    for axes, ((model, length, figure), frame) in zip(panels(max(1, len(groups)), max(4, rows)), groups):
        style = looks(frame["strategy"])
        better = 1 if figure == "negativeLogLikelihood" else -1
        # The text at which most is lost stands at the top.
        order = (better * frame["difference"]).groupby(frame["task_label"]).max().sort_values().index
        places = {label: place for place, label in enumerate(order)}
        offsets = dict(zip(style, np.linspace(0.35, -0.35, len(style)) if len(style) > 1 else [0]))
        for (_, point), error in zip(frame.iterrows(), whiskers(frame).T):
            height = places[point["task_label"]] + offsets[point["strategy"]]
            axes.errorbar(point["difference"], height, xerr=error[:, None], linestyle="none", markersize=4, **style[point["strategy"]])
        axes.axvline(0, color="#cccccc", linewidth=1, zorder=0)
        axes.set_yticks(range(len(order)), [plain(label).replace(" ", "\n") for label in order])
        axes.set_xlabel(UNITS[figure])
        axes.set_title(plain(f"{model}, {length:,} tokens"))
        legend(axes, list(style), style)
    plt.show()
    """#

  static let growth = #"""
    FIGURES = {
        "time_to_first_token": "time to first token, s",
        "time_per_output_token": "time per output token, s",
        "kv_cache_resident_bytes": "KV cache after the prompt, bytes",
    }
    by_task = comparison.assign(kind=comparison["task"] + ("/" + comparison["protocol"]).fillna(""))
    drawn = [
        (model, kind, column, frame.dropna(subset=[column]))
        for (model, kind), frame in by_task.groupby(["model", "kind"], sort=False)
        for column in FIGURES
    ]
    drawn = [each for each in drawn if each[3]["context_length"].nunique() > 1]
    exponents = []
    for axes, (model, kind, column, frame) in zip(panels(max(1, len(drawn)), 4), drawn):
        style = looks(frame["strategy"])
        for strategy, own in frame.groupby("strategy", sort=False):
            # Of several texts the median.
            line = own.groupby("context_length")[column].median()
            axes.plot(line.index, line, **style[strategy])
            if len(line) > 2 and (line > 0).all():
                slope = np.polyfit(np.log(line.index), np.log(line), 1)[0]
                exponents.append({"model": model, "task": kind, "figure": column, "strategy": strategy, "exponent": slope})
        axes.set_xscale("log")
        axes.set_yscale("log")
        lengths = sorted(frame["context_length"].unique())
        axes.set_xticks(lengths, [f"{length:,}" for length in lengths])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("context length, tokens")
        axes.set_ylabel(FIGURES[column])
        axes.set_title(plain(f"{model}, {kind}"))
        legend(axes, list(style), style)
    numbers["comparison"] = (["model", "context_length", "cell"], list(FIGURES), comparison)
    plt.show()
    pd.DataFrame(exponents)  # of c * length ** exponent, fitted by least squares of the logarithms
    """#

  static let numbers = #"""
    # scripts/notebook asks for what was drawn, and holds it against the report.
    if target := os.environ.get("TCA_LAB_NUMBERS"):
        tables = {
            name: {"keys": keys, "columns": columns, "rows": frame[keys + columns].astype(object).where(frame[keys + columns].notna(), None).to_dict("records")}
            for name, (keys, columns, frame) in numbers.items()
        }
        Path(target).write_text(json.dumps(tables, default=lambda value: value.item()), encoding="utf-8")
    """#
}
