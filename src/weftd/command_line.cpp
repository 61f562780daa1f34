#include "src/weftd/command_line.hpp"

#include <boost/program_options.hpp>

namespace weftd {

namespace po = boost::program_options;

char const* const usage = R"(weftd: a server for distributed transactions that speaks dtm's protocol over HTTP and JSON-RPC.

  weftd                  serves, until it is asked to stop
  weftd check-config     says whether the configuration is right, and what in it has no effect
  weftd print-config     what it would run with and where that comes from, secrets masked
  weftd print-keys       every key with its default and its meaning, as a table

  -c, --config FILE      conf.yml; goes before the environment, which goes before the defaults
  -d, --debug            log everything
  -r, --reset            remove all transactions and topics from the store; says what that would be, and does it with --yes
      --yes
      --store moved|cloned
                         what the store is, if it is found elsewhere than where it lived: the same one, and the other place is given up; or a
                         copy of one that lives on, in which everything in flight is paused. Say it once
  -v, --version
  -h, --help

Exit status: 0 all well, or stopped in order; 1 it could not do its work; 2 the configuration or the command line is wrong.
)";

namespace {

command_line::command command_of(po::variables_map const& values)
{
    using command = command_line::command;
    auto const positional = values.contains("command") ? values["command"].as<std::vector<std::string>>() : std::vector<std::string>();
    if (values.contains("help"))
        return command::help;
    if (values.contains("version"))
        return command::version;
    if (positional.empty())
        return values.contains("reset") ? command::reset : command::serve;
    if (positional.size() > 1 || values.contains("reset"))
        throw bad_command_line("one command at a time; see weftd --help");
    constexpr std::pair<char const*, command> commands[] = {
        {"check-config", command::check_config}, {"print-config", command::print_config}, {"print-keys", command::print_keys}};
    for (auto const& [name, what] : commands)
        if (positional[0] == name)
            return what;
    throw bad_command_line("there is no command \"" + positional[0] + "\"; see weftd --help");
}

}  // namespace

command_line parse_command_line(std::vector<std::string> const& arguments)
{
    po::options_description options;
    options.add_options()("config,c", po::value<std::string>())("debug,d", "")("reset,r", "")("yes", "")("store", po::value<std::string>())(
        "version,v", "")("help,h", "")("command", po::value<std::vector<std::string>>());
    po::positional_options_description positional;
    positional.add("command", -1);
    try
    {
        po::variables_map values;
        auto const        style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
        po::store(po::command_line_parser(arguments).options(options).positional(positional).style(style).run(), values);
        po::notify(values);
        command_line line;
        line.what = command_of(values);
        line.file = values.contains("config") ? values["config"].as<std::string>() : std::string();
        line.debug = values.contains("debug");
        line.yes = values.contains("yes");
        if (values.contains("store"))
        {
            line.store = values["store"].as<std::string>();
            if (line.store != "moved" && line.store != "cloned")
                throw bad_command_line("--store is moved or cloned");
            if (line.what != command_line::command::serve && line.what != command_line::command::reset)
                throw bad_command_line("--store is for serving and --reset");
        }
        if (values.contains("config") && line.file.empty())
            throw bad_command_line("--config needs a file");
        return line;
    }
    catch (po::error const& e)
    {
        throw bad_command_line(std::string(e.what()) + "; see weftd --help");
    }
}

}  // namespace weftd
