#include "report/page.h"

#include <fmt/format.h>

#include "report/svg.h"

namespace thimble::page {

using svg::escape;

namespace {

constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif;--line:#8884}
body{max-width:1000px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.15rem;margin:2rem 0 .6rem;border-bottom:1px solid var(--line)}
.headline{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:.8rem;margin:1.2rem 0}
.headline div{border:1px solid var(--line);border-radius:.6rem;padding:.6rem .8rem}
.headline b{display:block;font-size:1.35rem}.headline span{opacity:.7;font-size:.85rem}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(380px,1fr));gap:1rem}
svg{width:100%;height:auto}.wide{max-width:640px}.title{font-weight:600;font-size:13px}.tick{font-size:11px}.label{font-size:12px;opacity:.8}
text{fill:currentColor}.grid{stroke:var(--line);stroke-width:1}
table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:left}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}
)css";

}  // namespace

std::string head(std::string_view title, std::span<const std::pair<std::string, std::string>> headline) {
  std::string page = fmt::format(
      "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
      "<title>{}</title><style>{}</style></head><body>\n<h1>{}</h1>\n",
      escape(title), kStyle, escape(title));
  page += "<div class='headline'>";
  for (const auto& [label, value] : headline)
    page += fmt::format("<div><b>{}</b><span>{}</span></div>", escape(value), escape(label));
  return page + "</div>\n";
}

std::string section(std::string_view title, std::string_view body) {
  return fmt::format("<section><h2>{}</h2>{}</section>\n", escape(title), body);
}

std::string cell(std::string_view text, bool number) {
  return fmt::format("<td{}>{}</td>", number ? " class='number'" : "", escape(text));
}

std::string table(std::span<const std::string> columns, std::span<const std::vector<std::string>> rows) {
  const auto is_number = [&](size_t i) { return columns[i].starts_with('#'); };
  std::string text = "<table><tr>";
  for (size_t i = 0; i < columns.size(); ++i)
    text += fmt::format("<th{}>{}</th>", is_number(i) ? " class='number'" : "",
                        escape(std::string_view(columns[i]).substr(is_number(i) ? 1 : 0)));
  text += "</tr>";
  for (const auto& row : rows) {
    text += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) text += cell(row[i], is_number(i));
    text += "</tr>";
  }
  return text + "</table>";
}

}  // namespace thimble::page
