import GRDB

/// Takes over the rows of the attached database `source`, inside a transaction.
///
/// Numbers of rows hold in one file only. Each table says what tells its rows apart in every file; a column that refers
/// to another table, as the schema has it, is translated. What one run says of one cell is only ever added to, by one
/// process, so that each file which holds any of it holds the first so many rows: where no key tells them apart, those
/// beyond the target's own number are new.
struct Merge {
  let database: Database
  /// As they were named, for messages.
  let source: String
  let target: String

  /// Each after those that it refers to. `claim` is missing: claims belong to processes of one file.
  static let tables: [(name: String, key: RowKey)] = [
    ("experiment", .columns(["name"])), ("cell", .columns(["identity"])),
    ("plan", .columns(["identity"])), ("plan_cell", .columns(["plan_id", "position"])),
    ("run", .columns(["identity"])), ("cell_kind", .columns(["cell_id", "kind", "run_id"])),
    ("failure", .place(among: ["run_id", "cell_id"])), ("calibration", .wholeRow),
    ("timing_group", .place(among: ["run_id", "stored_at"])),
    ("timing", .columns(["timing_group_id", "position"])),
    (
      "control_timing",
      .columns(["timing_group_id", "cell_id", "is_warmup", "repetition"])
    ),
    ("measurement", .place(among: ["run_id", "cell_id"])),
    (
      "head_measurement",
      .columns(["cell_id", "setting", "phase", "run_id", "layer", "query_head"])
    ),
    ("kept_tokens", .columns(["cell_id", "run_id", "layer", "kv_head"])),
    ("sample", .columns(["cell_id", "run_id", "number"])),
    ("unit", .columns(["sample_id", "number"])),
  ]

  /// What tells a table's rows apart in every file.
  enum RowKey {
    /// A primary key or a unique one.
    case columns([String])
    /// The place among the rows that have these columns in common.
    case place(among: [String])
    case wholeRow
  }

  func run() throws -> MergeSummary {
    var summary = MergeSummary()
    let runs = try runCount()
    try takeNewerQuestions()
    for (table, key) in Self.tables {
      let columns = try Columns(of: table, in: database)
      // Runs and cells are known by now, and of the figures no row has been added.
      if table == "cell_kind" {
        try MergeConflict.refuseAny(in: database, source: source, target: target)
        summary.runs = try runCount() - runs
        summary.cells = try newCells()
      }
      try add(columns, key)
      if columns.isReferredTo { try map(columns, key) }
      if table == "cell" { try settleWords(of: columns) }
      if table == "run" { try completeRuns() }
    }
    for table in Self.tables {
      try database.execute(sql: "DROP TABLE IF EXISTS temp.merged_\(table.name)")
    }
    return summary
  }

  private func runCount() throws -> Int {
    try Int.fetchOne(database, sql: "SELECT count(*) FROM main.run") ?? 0
  }

  private func newCells() throws -> Int {
    try Int.fetchOne(
      database,
      sql: """
        SELECT count(DISTINCT theirs.cell_id) FROM source.cell_kind AS theirs
        JOIN temp.merged_cell ON merged_cell.source = theirs.cell_id
        JOIN temp.merged_run ON merged_run.source = theirs.run_id
        WHERE NOT EXISTS (
          SELECT 1 FROM main.cell_kind AS ours WHERE ours.cell_id = merged_cell.target
            AND ours.kind = theirs.kind AND ours.run_id = merged_run.target)
        """) ?? 0
  }

  // MARK: Rows

  private func add(_ columns: Columns, _ key: RowKey) throws {
    let table = columns.table
    let head = "INTO main.\(table) (\(columns.list))"
    let rows = "SELECT \(columns.translated) FROM source.\(table) AS other \(columns.joins)"
    let order = columns.hasNumber ? "ORDER BY other.id" : ""
    switch key {
    case .columns:
      try database.execute(sql: "INSERT OR IGNORE \(head) \(rows) \(order)")
    case .wholeRow:
      let isSame = columns.names.map { "own.\($0) IS other.\($0)" }.joined(separator: " AND ")
      try database.execute(
        sql: """
          INSERT \(head) \(rows)
          WHERE NOT EXISTS (SELECT 1 FROM main.\(table) AS own WHERE \(isSame)) \(order)
          """)
    case .place(let common):
      let isSame = common.map { "own.\($0) = \(columns.translated($0))" }
      try database.execute(
        sql: """
          INSERT \(head) SELECT \(columns.translated)
          FROM \(Self.placed(table, "source", common)) AS other \(columns.joins)
          WHERE other.place > (
            SELECT count(*) FROM main.\(table) AS own WHERE \(isSame.joined(separator: " AND ")))
          \(order)
          """)
    }
  }

  /// A table's rows with their places among those that have columns in common.
  private static func placed(_ table: String, _ schema: String, _ common: [String]) -> String {
    """
    (SELECT *, row_number() OVER (PARTITION BY \(common.joined(separator: ", ")) ORDER BY id) AS place
      FROM \(schema).\(table))
    """
  }

  /// A table of the numbers that the source's rows have in the target.
  private func map(_ columns: Columns, _ key: RowKey) throws {
    let table = columns.table
    let rows: String
    switch key {
    case .columns(let names):
      let isSame = names.map { "own.\($0) = \(columns.translated($0))" }
      rows = """
        SELECT other.id, own.id FROM source.\(table) AS other \(columns.joins)
        JOIN main.\(table) AS own ON \(isSame.joined(separator: " AND "))
        """
    case .place(let common):
      let isSame = common.map { "own.\($0) = \(columns.translated($0))" }
      rows = """
        SELECT other.id, own.id
        FROM \(Self.placed(table, "source", common)) AS other \(columns.joins)
        JOIN \(Self.placed(table, "main", common)) AS own
          ON \(isSame.joined(separator: " AND ")) AND own.place = other.place
        """
    case .wholeRow: return
    }
    try database.execute(
      sql: """
        CREATE TEMP TABLE merged_\(table) (source INTEGER PRIMARY KEY, target INTEGER NOT NULL);
        INSERT INTO temp.merged_\(table) \(rows);
        """)
  }

  // MARK: What the files may say differently

  /// A question is that of the experiment's newest run.
  private func takeNewerQuestions() throws {
    try database.execute(
      sql: """
        UPDATE main.experiment AS own SET question = other.question
        FROM source.experiment AS other
        WHERE other.name = own.name AND EXISTS (
          SELECT 1 FROM source.run AS newest WHERE newest.experiment_id = other.id
            AND NOT EXISTS (
              SELECT 1 FROM main.run WHERE run.experiment_id = own.id
                AND (run.started_at, run.identity) >= (newest.started_at, newest.identity)))
        """)
  }

  /// The words that two specs have for one cell (a model's name, the path of a text): the first by the alphabet, so that
  /// the order of merges does not decide.
  private func settleWords(of columns: Columns) throws {
    func row(_ name: String) -> String {
      columns.names.map { "coalesce(\(name).\($0), '')" }.joined(separator: ", ")
    }
    try database.execute(
      sql: """
        UPDATE main.cell AS own
        SET (\(columns.list)) = (\(columns.names.map { "other.\($0)" }.joined(separator: ", ")))
        FROM source.cell AS other
        WHERE other.identity = own.identity AND (\(row("other"))) < (\(row("own")))
        """)
  }

  /// A run may have been at work when the other file took it over, and a file may have left its plan out.
  private func completeRuns() throws {
    try database.execute(
      sql: """
        UPDATE main.run AS own SET plan_id = merged_plan.target
        FROM source.run AS other JOIN temp.merged_plan ON merged_plan.source = other.plan_id
        WHERE other.identity = own.identity AND own.plan_id IS NULL;
        UPDATE main.run AS own SET (ended_at, ending) = (other.ended_at, other.ending)
        FROM source.run AS other
        WHERE other.identity = own.identity AND other.ended_at IS NOT NULL
          AND (own.ended_at IS NULL
            OR (other.ended_at, other.ending) > (own.ended_at, own.ending))
        """)
  }
}

/// A table's columns, its number left out.
private struct Columns {
  let table: String
  let names: [String]
  /// The tables that columns refer to.
  let references: [String: String]
  /// Whether the table numbers its rows, and others refer to them by their numbers.
  let hasNumber: Bool
  let isReferredTo: Bool

  init(of table: String, in database: Database) throws {
    self.table = table
    let all = try String.fetchAll(
      database, sql: "SELECT name FROM pragma_table_info(?, 'main')", arguments: [table])
    hasNumber = all.contains("id")
    names = all.filter { $0 != "id" }
    isReferredTo =
      try Int.fetchOne(
        database,
        sql: """
          SELECT 1 FROM main.sqlite_master AS other
          JOIN pragma_foreign_key_list(other.name, 'main') AS reference
          WHERE other.type = 'table' AND reference."table" = ? LIMIT 1
          """, arguments: [table]) != nil
    let rows = try Row.fetchAll(
      database, sql: "SELECT \"from\", \"table\" FROM pragma_foreign_key_list(?, 'main')",
      arguments: [table])
    references = try Dictionary(
      rows.map { (try $0.decode(String.self, atIndex: 0), try $0.decode(String.self, atIndex: 1)) },
      uniquingKeysWith: { first, _ in first })
  }

  var list: String { names.joined(separator: ", ") }

  /// The source's columns as the target has them.
  var translated: String { names.map(translated).joined(separator: ", ") }

  func translated(_ name: String) -> String {
    references[name] == nil ? "other.\(name)" : "\(name)_map.target"
  }

  /// What refers to nothing stays null.
  var joins: String {
    names.compactMap { name in
      references[name].map {
        "LEFT JOIN temp.merged_\($0) AS \(name)_map ON \(name)_map.source = other.\(name)"
      }
    }.joined(separator: " ")
  }
}
