#include "src/weftd/keys.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

namespace weftd {

namespace {

std::string quoted(std::string const& text) { return boost::json::serialize(boost::json::value(boost::json::string(text))); }

std::string as_yaml(configuration const& values, key const& k)
{
    auto const text = shown_text_of(values, k);
    bool const plain = std::holds_alternative<std::int64_t configuration::*>(k.to) ||
                       std::holds_alternative<std::chrono::seconds configuration::*>(k.to) ||
                       std::holds_alternative<bool configuration::*>(k.to);
    return plain ? text : quoted(text);
}

}  // namespace

std::string print(loaded_configuration const& all)
{
    std::string out;
    // YAML wants a section once.
    std::string section;
    for (auto const& k : keys())
    {
        if (std::holds_alternative<ignored>(k.to))
            continue;
        auto const dot = k.name.find('.');
        auto const own = dot == k.name.npos ? std::string() : std::string(k.name.substr(0, dot));
        if (own != section && !own.empty())
            out += own + ":\n";
        section = own;
        auto const origin = all.origins.find(k.name);
        out += (own.empty() ? "" : "  ") + std::string(dot == k.name.npos ? k.name : k.name.substr(dot + 1)) + ": " +
               as_yaml(all.values, k) + (origin == all.origins.end() ? "" : "  # " + origin->second) + '\n';
    }
    return out;
}

std::string print_keys()
{
    std::string out = "| key | environment | default | allowed | |\n|---|---|---|---|---|\n";
    for (auto const& k : keys())
        out += "| " + std::string(k.name) + " | `" + environment_name(k.name) + "` | " +
               (k.default_text.empty() ? "" : '`' + std::string(k.default_text) + '`') + " | " + allowed(k) + " | " + std::string(k.help) +
               " |\n";
    return out;
}

}  // namespace weftd
