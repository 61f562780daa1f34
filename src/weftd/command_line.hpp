// What weftd is called with.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace weftd {

struct command_line
{
    enum class command
    {
        serve,
        check_config,
        print_config,
        print_keys,
        reset,
        version,
        help
    };

    command     what = command::serve;
    std::string file;           // conf.yml; empty: none
    bool        debug = false;  // log everything
    bool        yes = false;    // to what reset would do
    std::string store;          // what a store is that is found elsewhere: "moved", "cloned"; empty: not said
};

class bad_command_line : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

// Errors: bad_command_line.
command_line parse_command_line(std::vector<std::string> const& arguments);

extern char const* const usage;

}  // namespace weftd
