// Which addresses branches may have: patterns of scheme, host, port and path, matched part by part and never as text.
//
//     https://*.shop.internal/*          any host below shop.internal, port 443, any path
//     http://10.0.0.5:8080/api/*         one host and port, paths below /api/
//     http://stock:*/try                 any port, one path
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weftd {

class url_patterns
{
public:
    // Errors: std::invalid_argument naming the pattern that is none.
    explicit url_patterns(std::vector<std::string> const& patterns);

    // False as well for what is no address, or names a user. A path has to match however servers read it: as the standard has it, and
    // encodings resolved, parameters (";x=y") left out and slashes merged.
    bool allow(std::string_view url) const;

private:
    struct pattern
    {
        std::string scheme, host, path;
        std::string loose_path;          // as servers read it that are less exact
        std::string port;                // "*": any
        bool        below_host = false;  // any host that ends in `host`
        bool        below_path = false;  // any path that begins with `path`
    };

    static pattern parse(std::string const& text);

    std::vector<pattern> patterns_;
};

}  // namespace weftd
