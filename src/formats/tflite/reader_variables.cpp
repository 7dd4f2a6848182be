// Variables behind handles: VAR_HANDLE names one, READ_VARIABLE and ASSIGN_VARIABLE use it, and CALL_ONCE runs another
// subgraph before the first inference that assigns constants. In the graph each variable is one state.
#include <algorithm>
#include <map>
#include <set>

#include "formats/tflite/source.h"

namespace thimble::tflite {

namespace {

// Handles with one name mean one variable; a container that is not given matches every container, as in TensorFlow
// Lite Micro.
struct Variable {
  std::string container, name;
  ValueId handle = kNoValue;    // the main subgraph's first
  const Value* like = nullptr;  // a value that is assigned or read: type and scale
  Value assigned;               // by CALL_ONCE; no constant when nothing is
};

bool is_use(const StoredOperator& stored) {
  return stored.builtin == "READ_VARIABLE" || stored.builtin == "ASSIGN_VARIABLE";
}

class Resolver {
 public:
  Resolver(const Source& source, std::vector<StoredOperator>& operators, std::vector<Value>& values)
      : source_(source), operators_(operators), values_(values) {}

  Outcome resolve() {
    THIMBLE_LET(handles_, read_handles(operators_, /*of_main=*/true));
    for (const StoredOperator& stored : operators_)
      if (stored.builtin == "CALL_ONCE") THIMBLE_TRY(call_once(stored));
    for (StoredOperator& stored : operators_)
      if (is_use(stored)) THIMBLE_TRY(use(stored));
    THIMBLE_TRY(place_states());
    std::erase_if(operators_, [](const StoredOperator& stored) {
      return stored.builtin == "VAR_HANDLE" || stored.builtin == "CALL_ONCE";
    });
    return {};
  }

 private:
  using Handles = std::map<ValueId, size_t>;  // tensor number -> index in variables_

  size_t find_or_add(const std::string& container, const std::string& name) {
    const auto known = std::ranges::find_if(variables_, [&](const Variable& v) {
      return (container.empty() || container == v.container) && name == v.name;
    });
    if (known == variables_.end()) {
      variables_.push_back({.container = container, .name = name});
      return variables_.size() - 1;
    }
    return static_cast<size_t>(known - variables_.begin());
  }

  Result<Handles> read_handles(std::span<const StoredOperator> operators, bool of_main) {
    Handles handles;
    for (const StoredOperator& stored : operators) {
      if (stored.builtin != "VAR_HANDLE") continue;
      const auto* options = stored.table->builtin_options_as_VarHandleOptions();
      if (!options || stored.outputs.size() != 1 || !stored.inputs.empty())
        return damaged("VAR_HANDLE without a name or with other than one output",
                       fmt::format("operator {}", stored.index));
      const size_t variable = find_or_add(clean_text(options->container()), clean_text(options->shared_name()));
      if (!handles.emplace(stored.outputs[0], variable).second)
        return damaged("is written by two VAR_HANDLE", fmt::format("tensor {}", stored.outputs[0]));
      if (of_main && variables_[variable].handle == kNoValue) variables_[variable].handle = stored.outputs[0];
    }
    return handles;
  }

  // Only constants that are assigned: more would have to be computed.
  Outcome call_once(const StoredOperator& call) {
    const std::string where = fmt::format("operator {} (CALL_ONCE)", call.index);
    const auto* options = call.table->builtin_options_as_CallOnceOptions();
    const int index = options ? options->init_subgraph_index() : -1;
    if (index < 1 || static_cast<size_t>(index) >= length(source_.model.subgraphs()))
      return damaged(fmt::format("names subgraph {} of {}", index, length(source_.model.subgraphs())), where);
    for (const StoredOperator& stored : operators_)
      if (is_use(stored) && stored.index < call.index)
        return fail(ErrorCode::unsupported, "initialises variables after they were used", where,
                    "export the model with its initialisation first");
    const Source init{source_.model, *at(source_.model.subgraphs(), static_cast<size_t>(index))};
    THIMBLE_LET(const std::vector<StoredOperator> operators, read_operators(init));
    THIMBLE_LET(const Handles handles, read_handles(operators, /*of_main=*/false));
    for (const StoredOperator& stored : operators) {
      if (stored.builtin == "VAR_HANDLE") continue;
      const bool assigns = stored.builtin == "ASSIGN_VARIABLE" && stored.inputs.size() == 2 &&
                           handles.contains(stored.inputs[0]) && stored.inputs[1] != kNoValue;
      if (!assigns)
        return fail(ErrorCode::unsupported,
                    fmt::format("the initialisation in subgraph {} runs {}; expected constants assigned to variables",
                                index, stored.builtin),
                    where, "initialise the model's variables with constants");
      THIMBLE_LET(variables_[handles.at(stored.inputs[0])].assigned,
                  read_value(init, stored.inputs[1], TensorUse::reads));
    }
    return {};
  }

  Outcome use(StoredOperator& stored) {
    const auto handle = stored.inputs.empty() ? handles_.end() : handles_.find(stored.inputs[0]);
    if (handle == handles_.end())
      return fail(ErrorCode::unsupported, "uses a variable that no VAR_HANDLE of the model names",
                  fmt::format("operator {} ({})", stored.index, stored.builtin),
                  "export the model with its variables inside one function");
    Variable& variable = variables_[handle->second];
    stored.inputs[0] = variable.handle;
    const bool assigns = stored.builtin == "ASSIGN_VARIABLE";
    const std::vector<ValueId>& ids = assigns ? stored.inputs : stored.outputs;
    const size_t index = assigns ? 1 : 0;
    if (ids.size() <= index || ids[index] == kNoValue)
      return damaged("names no value", fmt::format("operator {} ({})", stored.index, stored.builtin));
    // What is assigned says more than what is read: TensorFlow Lite Micro makes the variable from it.
    if (!variable.like || assigns) variable.like = &values_[static_cast<size_t>(ids[index])];
    return {};
  }

  Outcome place_states() {
    std::set<std::string> names;
    for (const Variable& variable : variables_) {
      if (variable.handle == kNoValue || !variable.like) continue;
      Value state{.type = variable.like->type, .quantization = variable.like->quantization};
      const std::string base = variable.name.empty() ? fmt::format("variable_{}", variable.handle) : variable.name;
      state.name = base;
      for (int i = 2; !names.insert(state.name).second; ++i) state.name = fmt::format("{}_{}", base, i);
      THIMBLE_TRY(check_state(state.type, "variable " + state.name));
      state.initial = reset_state(state.type, state.quantization);
      if (const auto& data = variable.assigned.constant) {
        if (data->dtype != state.type.dtype || data->bytes.size() != state.initial->bytes.size())
          return damaged(fmt::format("starts as {} {}, but is used as {} {}", name_of(data->dtype),
                                     to_string(data->shape), name_of(state.type.dtype), to_string(state.type.shape)),
                         "variable " + state.name);
        state.initial->bytes = data->bytes;
      }
      values_[static_cast<size_t>(variable.handle)] = std::move(state);
    }
    return {};
  }

  const Source& source_;
  std::vector<StoredOperator>& operators_;
  std::vector<Value>& values_;
  std::vector<Variable> variables_;
  Handles handles_;
};

}  // namespace

Outcome resolve_variables(const Source& source, std::vector<StoredOperator>& operators, std::vector<Value>& values) {
  return Resolver(source, operators, values).resolve();
}

}  // namespace thimble::tflite
