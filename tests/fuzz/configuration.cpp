// Whatever stands in a conf.yml is read, or refused with lines that name it: no crash, no other exception, no hang. What was read can be printed, and
// read again to the same values.
#include "src/weftd/keys.hpp"

#include <cstdint>
#include <cstdlib>
#include <iostream>

namespace {

[[noreturn]] void fail(char const* what)
{
    std::cerr << "fuzz/configuration: " << what << '\n';
    std::abort();
}

weftd::surroundings nowhere()
{
    weftd::surroundings s;
    s.environment = [](std::string const&) { return std::optional<std::string>(); };
    s.read = [](std::string const&) -> std::string { throw std::runtime_error("no such file"); };
    return s;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    std::string const yaml(reinterpret_cast<char const*>(data), size);
    try
    {
        auto const all = weftd::load(yaml, "conf.yml", nowhere());
        weftd::store_url(all.values);
        auto const printed = weftd::print(all);
        // Keys that were left at their defaults, and what is masked, are another matter: only that it is YAML which names known keys.
        try
        {
            weftd::load(printed, "printed.yml", nowhere());
        }
        catch (weftd::bad_configuration const& e)
        {
            for (auto const& p : e.problems())
                if (p.find("there is no such key") != p.npos || p.find("consists of") != p.npos)
                    fail("what was printed is no configuration");
        }
    }
    catch (weftd::bad_configuration const& e)
    {
        if (e.problems().empty())
            fail("refused without a reason");
        for (auto const& p : e.problems())
            if ((!p.starts_with("conf.yml:") && !p.starts_with("default: ")) || p.find('\n') != p.npos)
                fail("a problem that does not say where, in one line");
    }
    return 0;
}
