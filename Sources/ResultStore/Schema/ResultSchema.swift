import GRDB

/// The migrations that make the schema, in order. A registered migration is never edited: a change is a new one.
enum ResultSchema {
  /// `application_id` in the file's header: "TCAL".
  static let applicationID = 0x5443_414c

  static let migrator: DatabaseMigrator = {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 results") { database in
      try database.execute(sql: "PRAGMA application_id = \(applicationID)")
      try database.execute(sql: FirstSchema.planTables)
      try database.execute(sql: FirstSchema.figureTables)
      try database.execute(sql: FirstSchema.newestViews)
      try database.execute(sql: FirstSchema.comparisonView)
      try database.execute(sql: FirstSchema.summaryViews)
    }
    migrator.registerMigration("2 task labels") { database in
      try database.execute(
        sql: """
          ALTER TABLE experiment_cell ADD COLUMN task_label TEXT;
          DROP VIEW comparison;
          DROP VIEW head_summary;
          """)
      try database.execute(sql: FirstSchema.labelledComparisonView)
      try database.execute(sql: FirstSchema.labelledHeadSummary)
    }
    return migrator
  }()
}
