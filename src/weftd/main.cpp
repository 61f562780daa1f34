#include "src/weftd/certificates.hpp"
#include "src/weftd/command_line.hpp"
#include "src/weftd/daemon.hpp"
#include "src/weftd/logging.hpp"
#include "src/weftd/reset.hpp"

#include <weft/errors.hpp>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <sys/resource.h>
#include <sys/stat.h>

namespace {

enum exit_status
{
    all_well = 0,
    could_not = 1,
    wrong_call = 2
};

// As many as there may be: each connection takes one.
void raise_limit_of_files()
{
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == files.rlim_max)
        return;
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
}

// For a server: with its certificates.
weftd::configuration load_again(std::string const& file)
{
    auto const all = weftd::load_file(file, weftd::real_surroundings());
    weftd::check_certificates(all);
    return all.values;
}

int serve(weftd::loaded_configuration const& configuration, std::string const& file, bool debug)
{
    auto const logger = weftd::make_logger(configuration.values, debug);
    raise_limit_of_files();
    std::signal(SIGPIPE, SIG_IGN);  // a log that nobody reads any more
    try
    {
        weftd::daemon(configuration, logger, [file] { return load_again(file); }).run();
        return all_well;
    }
    catch (weft::misuse const& e)  // what only store and server can tell: a file that is no certificate, an option of a URL
    {
        logger->error("{}", e.what());
        return wrong_call;
    }
    catch (std::exception const& e)
    {
        logger->error("{}", e.what());
        return could_not;
    }
}

int check(weftd::loaded_configuration const& configuration, std::string const& file)
{
    for (auto const& w : configuration.warnings)
        std::cout << "warning: " << w << '\n';
    std::cout << (file.empty() ? "the environment" : file) << ": all well\n";
    return all_well;
}

int run(std::vector<std::string> const& arguments)
{
    using command = weftd::command_line::command;
    auto const line = weftd::parse_command_line(arguments);
    switch (line.what)
    {
    case command::help:
        std::cout << weftd::usage;
        return all_well;
    case command::version:
        std::cout << "weftd " << WEFT_VERSION << '\n';
        return all_well;
    case command::print_keys:
        std::cout << weftd::print_keys();
        return all_well;
    default:
        break;
    }
    auto configuration = weftd::load_file(line.file, weftd::real_surroundings());
    configuration.values.relocated = line.store;
    if (!line.store.empty() && weftd::says_relocation(configuration.values))
        throw weftd::bad_command_line("--store says what ?store= in Store.Url says already: one of them");
    if (line.what == command::serve || line.what == command::check_config)
        weftd::check_certificates(configuration);
    switch (line.what)
    {
    case command::check_config:
        return check(configuration, line.file);
    case command::print_config:
        std::cout << weftd::print(configuration);
        return all_well;
    case command::reset:
        return weftd::reset(configuration.values, line.yes, std::cout) ? all_well : could_not;
    default:
        return serve(configuration, line.file, line.debug);
    }
}

void say(std::string_view what)
{
    while (!what.empty())
    {
        auto const end = std::min(what.find('\n'), what.size());
        std::cerr << "weftd: " << what.substr(0, end) << '\n';
        what.remove_prefix(std::min(end + 1, what.size()));
    }
}

}  // namespace

int main(int argc, char** argv)
{
    // Files of the store and the log hold what clients send: others have no business there.
    ::umask(::umask(0077) | 0007);
    try
    {
        return run(std::vector<std::string>(argv + 1, argv + argc));
    }
    catch (weftd::bad_configuration const& e)
    {
        say(e.what());
        return wrong_call;
    }
    catch (weftd::bad_command_line const& e)
    {
        say(e.what());
        return wrong_call;
    }
    catch (std::exception const& e)
    {
        say(e.what());
        return could_not;
    }
}
