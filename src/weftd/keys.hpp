// The table of keys: name, type, default, what is allowed, what it means. Loader, check, print-out and documentation are made from it.
#pragma once

#include "src/weftd/configuration.hpp"

#include <limits>
#include <span>
#include <variant>

namespace weftd {

// A key without effect, whatever its value is.
struct ignored
{ };

struct key
{
    using target = std::variant<std::string configuration::*, std::int64_t configuration::*, std::chrono::seconds configuration::*,
                                bool configuration::*, std::vector<std::string> configuration::*,
                                std::optional<std::chrono::minutes> configuration::*, ignored>;

    enum class secrecy
    {
        open,
        secret,  // never shown
        url      // shown without what may be secret in it
    };

    std::string_view name;  // "Store.Driver"
    target           to;
    std::string_view default_text;  // as in a file
    std::string_view help;
    std::string_view words{};  // a text: those that are allowed, separated by ", "; empty: any

    // A number, or seconds
    std::int64_t least = 0, most = std::numeric_limits<std::int32_t>::max();
    bool         or_zero = false;  // 0 is allowed besides

    secrecy shown = secrecy::open;
};

std::span<key const> keys();

// Null: there is none.
key const* find_key(std::string_view name);

// The name's nearest neighbour among the keys; empty if none is near.
std::string_view nearest_key(std::string_view name);

// The same among the sections.
std::string_view nearest_section(std::string_view name);

// Store.MaxOpenConns: STORE_MAX_OPEN_CONNS, as dtm has it.
std::string environment_name(std::string_view key_name);

// What a value may be, in words: "10 or more, in seconds".
std::string allowed(key const&);

// Sets the value from its text. Errors: std::invalid_argument if it is not allowed.
void set(configuration&, key const&, std::string const& text);

// The value as text, as it is; a list's elements are joined by ", ".
std::string text_of(configuration const&, key const&);

// The same, with what is secret masked.
std::string shown_text_of(configuration const&, key const&);

}  // namespace weftd
