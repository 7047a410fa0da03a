import Tensors

extension RowFormat {
  /// The numbers as a cache of this format gives them back: rows of heads side by side, of tokens at
  /// consecutive positions from 0 on. Of formats that change with age as they are once they are quantised, KIVI's keys
  /// with the tokens of their group.
  ///
  /// Traps unless the columns are whole heads whose rows the format can hold, and for KIVI's keys
  /// unless the rows are whole groups of 128.
  ///
  /// - Parameter prompt: its keys as they came, whose mean is taken off all where the format does that.
  public func stored(
    _ matrix: Matrix, headDimension: Int, asKeys: Bool = false, prompt: Matrix? = nil
  ) -> Matrix {
    guard self != .f32 else { return matrix }
    if asKeys ? centresKeys : centresValues {
      return centred(matrix, headDimension: headDimension, prompt: prompt)
    }
    return passed(matrix, headDimension: headDimension) {
      asKeys ? makeKeyStorage(width: headDimension) : RowStorage(codec, width: headDimension)
    }
  }

  private func centred(_ matrix: Matrix, headDimension: Int, prompt: Matrix?) -> Matrix {
    var result = matrix
    for column in stride(from: 0, to: matrix.columns, by: headDimension) {
      let centre = prompt.flatMap {
        RowCentre(
          $0, rows: 0..<$0.rows, column: column, width: headDimension, sinks: sinkTokens)
      }
      let storage = RowStorage(codec, width: headDimension)
      matrix.elements.withUnsafeBufferPointer { elements in
        storage.append(
          matrix.rows, from: elements.baseAddress! + column, stride: matrix.columns,
          without: centre)
      }
      var rows = [Float](repeating: 0, count: matrix.rows * headDimension)
      rows.withUnsafeMutableBufferPointer { rows in
        storage.withRows(without: centre) {
          _ = $0.floats(0..<matrix.rows, decodedInto: rows.baseAddress!)
        }
      }
      result.replace(column: column, width: headDimension, with: rows)
    }
    return result
  }

  /// The same of tokens that are still exact after the prompt, in a format that changes with age: half floats, of the
  /// rotated row where that is what is quantised later.
  public func storedExactly(_ matrix: Matrix, headDimension: Int) -> Matrix {
    passed(matrix, headDimension: headDimension) { RowStorage(exactCodec, width: headDimension) }
  }

  /// What storages of heads make of their columns.
  private func passed(
    _ matrix: Matrix, headDimension: Int, through makeStorage: () -> any TokenStorage
  ) -> Matrix {
    precondition(
      matrix.columns % headDimension == 0 && headDimension % blockNumbers == 0,
      "RowFormat.stored: \(matrix.columns) columns of heads of \(headDimension)")
    var result = matrix
    for column in stride(from: 0, to: matrix.columns, by: headDimension) {
      let storage = makeStorage()
      storage.append(matrix, rows: 0..<matrix.rows, column: column, firstPosition: 0)
      storage.settle(seen: matrix.rows) { $0 }
      let positions = (0..<Int32(matrix.rows)).map { $0 }
      var rows = [Float](repeating: 0, count: matrix.rows * headDimension)
      positions.withUnsafeBufferPointer { positions in
        rows.withUnsafeMutableBufferPointer { rows in
          guard let target = rows.baseAddress else { return }
          storage.withMemory(positions.baseAddress) {
            _ = $0.rows(0..<matrix.rows, decodedInto: target)
          }
        }
      }
      result.replace(column: column, width: headDimension, with: rows)
    }
    return result
  }
}

extension Matrix {
  /// The columns from `column` on, from rows of `width` numbers.
  fileprivate mutating func replace(column: Int, width: Int, with rows: [Float]) {
    for row in 0..<self.rows {
      for i in 0..<width { self[row, column + i] = rows[row * width + i] }
    }
  }
}
