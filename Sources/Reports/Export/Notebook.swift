import JSON

/// A Jupyter notebook that has not been executed (nbformat 4.5): equal cells, equal bytes.
struct Notebook {
  struct Cell {
    enum Kind: String {
      case markdown, code
    }

    let kind: Kind
    /// Of letters, digits, hyphens and underscores; unique in a notebook.
    let id: String
    let source: String

    static func markdown(_ id: String, _ source: String) -> Cell {
      Cell(kind: .markdown, id: id, source: source)
    }

    /// Python.
    static func code(_ id: String, _ source: String) -> Cell {
      Cell(kind: .code, id: id, source: source)
    }
  }

  var cells: [Cell]

  /// Ends with a line feed.
  var text: String { json.prettyText + "\n" }

  private var json: JSONValue {
    [
      "cells": .array(cells.map(\.json)),
      "metadata": [
        "kernelspec": ["display_name": "Python 3", "language": "python", "name": "python3"],
        "language_info": ["name": "python"],
      ],
      "nbformat": 4, "nbformat_minor": 5,
    ]
  }
}

extension Notebook.Cell {
  fileprivate var json: JSONValue {
    var members: [String: JSONValue] = [
      "cell_type": .string(kind.rawValue), "id": .string(id), "metadata": [:],
      "source": .array(lines.map(JSONValue.string)),
    ]
    if kind == .code {
      members["execution_count"] = .null
      members["outputs"] = []
    }
    return .object(members)
  }

  /// Each but the last with its line feed, as the format has it.
  private var lines: [String] {
    let lines = source.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
      .map { String($0) }
    return lines.enumerated().map { $0.offset < lines.count - 1 ? $0.element + "\n" : $0.element }
  }
}
