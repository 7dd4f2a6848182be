// The page of `thimble inspect --html`. The graph is drawn as a column of layers in execution order; what skips layers
// runs beside it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "report/inspect.h"
#include "report/page.h"
#include "report/svg.h"
#include "report/table.h"

namespace thimble {

namespace {

using svg::escape;

constexpr double kBoxWidth = 420, kBoxHeight = 40, kGap = 22, kLeft = 40, kLane = 12;
constexpr size_t kLanes = 16;  // beside the column; more share the last

double top_of(size_t row) { return 10 + static_cast<double>(row) * (kBoxHeight + kGap); }

std::string box(size_t row, std::string_view title, std::string_view detail, std::string_view hover, bool port) {
  return fmt::format(
      "<g><title>{}</title><rect x='{}' y='{}' width='{}' height='{}' rx='6' fill='{}' fill-opacity='{}' "
      "stroke='currentColor' stroke-opacity='.4'/><text x='{}' y='{}' class='title'>{}</text><text x='{}' y='{}' "
      "class='tick'>{}</text></g>",
      escape(hover), kLeft, top_of(row), kBoxWidth, kBoxHeight, port ? "#059669" : "#2563eb", port ? .25 : .12,
      kLeft + 10, top_of(row) + 17, escape(title), kLeft + 10, top_of(row) + 33, escape(detail));
}

// From row `from` to row `to`: straight when they follow each other, else in a lane beside the column.
std::string edge(size_t from, size_t to, size_t lane) {
  const double y1 = top_of(from) + kBoxHeight, y2 = top_of(to), x = kLeft + kBoxWidth / 2;
  if (to == from + 1) return fmt::format("<path d='M{} {}V{}' class='edge' marker-end='url(#arrow)'/>", x, y1, y2 - 2);
  const double right = kLeft + kBoxWidth + kLane * static_cast<double>(lane + 1);
  return fmt::format("<path d='M{} {}H{}V{}H{}' class='edge' marker-end='url(#arrow)'/>", kLeft + kBoxWidth,
                     y1 - kBoxHeight / 2, right, y2 + kBoxHeight / 2, kLeft + kBoxWidth + 2);
}

std::string type_of(const InspectedTensor& tensor) {
  return fmt::format("{} {}", name_of(tensor.type.dtype), to_string(tensor.type.shape));
}

std::string attributes_of(const InspectedLayer& layer) {
  std::string text;
  for (const auto& [name, value] : layer.attrs.all()) text += fmt::format("\n{} = {}", name, to_string(value));
  return text;
}

// Boxes are inputs, layers, outputs; a tensor is known by its name.
std::string graph_picture(const Inspection& inspection) {
  std::map<std::string, size_t> row_of;
  std::string boxes, edges;
  size_t row = 0, lanes = 0;
  for (const InspectedTensor& input : inspection.inputs) {
    row_of[input.name] = row;
    boxes += box(row++, "input " + input.name, type_of(input), input.name, true);
  }
  const auto connect = [&](const InspectedTensor& tensor) {
    const auto from = row_of.find(tensor.name);
    if (from == row_of.end()) return;
    edges += edge(from->second, row, lanes % kLanes);
    if (row != from->second + 1) ++lanes;
  };
  for (const InspectedLayer& layer : inspection.layers) {
    for (const InspectedTensor& input : layer.inputs)
      if (!input.constant) connect(input);
    std::string detail = layer.outputs.empty() ? "" : type_of(layer.outputs[0]);
    if (layer.macs > 0) detail += fmt::format("   {} MACs", grouped(layer.macs));
    if (layer.weight_bytes > 0) detail += fmt::format("   {} bytes", grouped(layer.weight_bytes));
    for (const InspectedTensor& output : layer.outputs) row_of[output.name] = row;
    boxes += box(row++, layer.op + "  " + layer.name, detail, layer.name + attributes_of(layer), false);
  }
  for (const InspectedTensor& output : inspection.outputs) {
    connect(output);
    boxes += box(row++, "output " + output.name, type_of(output), output.name, true);
  }
  const double width = kLeft + kBoxWidth + kLane * (1 + static_cast<double>(std::min(lanes, kLanes))) + 10;
  return fmt::format(
      "<svg viewBox='0 0 {0} {1}' role='img' style='max-width:{0}px'><defs><marker id='arrow' viewBox='0 0 8 8' "
      "refX='7' refY='4' markerWidth='7' markerHeight='7' orient='auto'><path d='M0 0L8 4L0 8z' "
      "fill='currentColor'/></marker></defs><style>.edge{{fill:none;stroke:currentColor;stroke-opacity:.55}}</style>"
      "{2}{3}</svg>",
      width, top_of(row), edges, boxes);
}

std::string layer_section(const Inspection& inspection) {
  std::map<std::string, const LayerComparison*> compared;
  if (inspection.comparison)
    for (const LayerComparison& layer : inspection.comparison->layers) compared[layer.other_layer] = &layer;
  std::vector<std::string> columns = {"layer", "op", "output", "quantisation", "#weights, bytes", "#MACs"};
  if (inspection.comparison) columns.emplace_back("#SQNR, dB");
  std::vector<std::vector<std::string>> rows;
  for (const InspectedLayer& layer : inspection.layers) {
    std::string quantisation;
    if (!layer.outputs.empty() && !layer.outputs[0].quantization.empty())
      quantisation = fmt::format("scale {:.6g}, zero {}", layer.outputs[0].quantization.scale[0],
                                 layer.outputs[0].quantization.zero_point[0]);
    rows.push_back({layer.name, layer.op, layer.outputs.empty() ? "" : type_of(layer.outputs[0]), quantisation,
                    grouped(layer.weight_bytes), grouped(layer.macs)});
    if (!inspection.comparison) continue;
    const auto found = compared.find(layer.name);
    rows.back().push_back(found == compared.end()              ? ""
                          : std::isinf(found->second->sqnr_db) ? "equal"
                                                               : fmt::format("{:.1f}", found->second->sqnr_db));
  }
  return page::section("Layers", page::table(columns, rows));
}

std::string memory_section(const Inspection& inspection) {
  std::vector<svg::Span> spans;
  std::vector<std::string> steps;
  for (const ArenaTensor& tensor : inspection.tensors)
    spans.push_back({tensor.name, static_cast<double>(tensor.first_call), static_cast<double>(tensor.last_call),
                     static_cast<double>(tensor.offset),
                     static_cast<double>(tensor.offset) + static_cast<double>(tensor.bytes)});
  std::vector<std::vector<std::string>> rows;
  for (const InspectedCall& call : inspection.calls) {
    rows.push_back({fmt::format("{}", steps.size()), call.layer, call.kernel, grouped(call.ram_bytes)});
    steps.push_back(call.layer);
  }
  const std::string need = fmt::format(
      "<p>The arena has {} bytes{}.</p>", grouped(inspection.arena_bytes),
      inspection.arena_is_smallest ? ", proved to be the smallest possible"
                                   : fmt::format("; at least {} are needed", grouped(inspection.lower_bound_bytes)));
  const std::vector<std::string> columns = {"step", "layer", "kernel", "#RAM in use, bytes"};
  return page::section("Memory plan",
                       need + "<div class='wide'>" +
                           svg::memory_map("RAM over time", spans, steps, static_cast<double>(inspection.arena_bytes)) +
                           "</div>" + page::table(columns, rows));
}

std::string board_section(const Inspection& inspection) {
  std::vector<std::vector<std::string>> rows;
  for (const BoardFit& fit : inspection.boards) rows.push_back({fit.id, fit.name, verdict(fit)});
  const std::vector<std::string> columns = {"board", "", "by the model alone; code and stack come on top"};
  return page::section("Boards", page::table(columns, rows));
}

}  // namespace

std::string to_html(const Inspection& inspection) {
  const std::vector<std::pair<std::string, std::string>> headline = {
      {"layers", grouped(static_cast<int64_t>(inspection.layers.size()))},
      {"MACs", grouped(inspection.macs)},
      {"parameters", grouped(inspection.parameters)},
      {"constants in flash, bytes", grouped(inspection.constant_bytes)},
      {"arena, bytes", grouped(inspection.arena_bytes)}};
  std::string text = page::head(inspection.model, headline);
  text += page::section("Graph", graph_picture(inspection));
  text += layer_section(inspection) + memory_section(inspection);
  if (!inspection.boards.empty()) text += board_section(inspection);
  return text + std::string(page::kEnd);
}

}  // namespace thimble
