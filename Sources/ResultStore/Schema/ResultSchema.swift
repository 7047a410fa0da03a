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
    return migrator
  }()
}
