// Which products a phase needs, drawn at compile time from the constants of a generated `Cell`.
#pragma once
#include "product.hpp"

namespace {

using cell::Cell;

constexpr int X = -1;  // the input as an operand

// Accumulators that read the same operands: their products run together. `depth` counts operands in order.
struct Group {
  int accs, acc[MOST_COLUMNS], operands, operand[Cell::OPERANDS + 1];
};

struct Products {
  int count, widest;
  Group group[2 * Cell::ACCS * (Cell::OPERANDS + 1)];
};

constexpr bool reads(int acc, int operand) { return operand == X ? Cell::READS_X[acc] : Cell::READS[acc][operand]; }

constexpr bool same(const Group& a, const Group& b) {
  for (int i = 0; i < a.accs; ++i)
    if (a.accs != b.accs || a.acc[i] != b.acc[i]) return false;
  return true;
}

// Adds the product of an operand for some accumulators, to the group of the same ones if there is one.
constexpr void join(Products& products, const Group& wanted, int operand) {
  int g = 0;
  while (g < products.count && !(products.group[g].accs == wanted.accs && same(products.group[g], wanted))) ++g;
  if (g == products.count) products.group[products.count++] = wanted;
  Group& group = products.group[g];
  group.operand[group.operands++] = operand;
  if (group.accs > products.widest) products.widest = group.accs;
}

// The forward products of a phase: of the input, of what is known in the loop, or of both.
constexpr Products products_of(int phase, bool with_input, bool with_loop) {
  Products products{};
  for (int o = with_input ? X : 0; o < (with_loop ? Cell::OPERANDS : 0); ++o) {
    if (o != X && Cell::PHASE_OF_OPERAND[o] != phase) continue;
    int readers = 0, reader[Cell::ACCS] = {};
    for (int i = 0; i < Cell::ACCS; ++i)
      if (Cell::PHASE_OF_ACC[i] == phase && reads(i, o)) reader[readers++] = i;
    const int parts = (readers + MOST_COLUMNS - 1) / MOST_COLUMNS;
    for (int part = 0, start = 0; part < parts; ++part) {
      Group group{};
      for (const int stop = readers * (part + 1) / parts; start < stop; ++start) group.acc[group.accs++] = reader[start];
      join(products, group, o);
    }
  }
  return products;
}

enum Share { LOOP, ALL, INPUT, NOTHING };  // which products are computed inside the loop from packed weights

template <int K> struct Phase {
  static constexpr Products PRODUCTS[4] = {products_of(K, false, true), products_of(K, true, true),
                                           products_of(K, true, false), products_of(K, false, false)};
  // A block's width in vectors: what fills the columns of a product.
  static constexpr int WIDTH = PRODUCTS[ALL].widest ? MOST_COLUMNS / PRODUCTS[ALL].widest : 1;
  static constexpr int ROWS = rows_beside(WIDTH * (PRODUCTS[ALL].widest ? PRODUCTS[ALL].widest : 1));

  static constexpr int WIDTH_BACK = MOST_COLUMNS;
  static constexpr int ROWS_BACK = rows_beside(WIDTH_BACK);
};

constexpr bool any_product(int acc, bool with_input) {
  if (with_input && Cell::READS_X[acc]) return true;
  for (int o = 0; o < Cell::OPERANDS; ++o)
    if (Cell::READS[acc][o]) return true;
  return false;
}

}  // namespace
