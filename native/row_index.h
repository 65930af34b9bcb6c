// Rows of a dump by their identity: which came twice, and whether two dumps name the same. Its memory is used again:
// sets of strings took as long as the kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace ipvs {

template <typename Row>
bool IsSame(const Row& a, const Row& b) {
  return std::memcmp(&a.fields.key, &b.fields.key, sizeof a.fields.key) == 0;
}

template <typename Row>
class RowIndex {
 public:
  void Fill(const std::vector<Row>& rows) {
    Clear(rows.size());
    for (size_t i = 0; i < rows.size(); i++) *PlaceOf(rows.data(), rows[i]) = static_cast<uint32_t>(i + 1);
  }

  // Of the rows from `first` on. An entry can come twice when the table changes under a dump; the later one is the
  // newer. What is left is in the index.
  void DropDuplicates(std::vector<Row>* rows, size_t first) {
    Row* const own = rows->data() + first;
    const size_t count = rows->size() - first;
    Clear(count);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
      uint32_t* const place = PlaceOf(own, own[i]);
      if (*place == 0) *place = static_cast<uint32_t>(++kept);
      if (*place != i + 1) own[*place - 1] = own[i];
    }
    rows->resize(first + kept);
  }

  // `rows` is what is in the index.
  bool Has(const Row* rows, const Row& row) { return *PlaceOf(rows, row) != 0; }

 private:
  void Clear(size_t rows) {
    size_t size = 64;
    while (size < rows * 2) size *= 2;
    places_.assign(size, 0);
  }

  // Where the row's identity is, or would go.
  uint32_t* PlaceOf(const Row* rows, const Row& row) {
    const size_t mask = places_.size() - 1;
    size_t at = Hash(row) & mask;
    while (places_[at] != 0 && !IsSame(rows[places_[at] - 1], row)) at = (at + 1) & mask;
    return &places_[at];
  }

  static size_t Hash(const Row& row) {
    uint32_t words[sizeof row.fields.key / sizeof(uint32_t)];
    std::memcpy(words, &row.fields.key, sizeof words);
    uint64_t hash = 0;
    for (const uint32_t word : words) hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    return static_cast<size_t>(hash >> 32);
  }

  std::vector<uint32_t> places_;  // one more than the row's place, 0 for none
};

}  // namespace ipvs
