#include "tests/conformance/stores.hpp"

#include <weft/open_store.hpp>

#include <cstdlib>
#include <stdexcept>

namespace conformance {

std::vector<std::string> const& kinds()
{
    static std::vector<std::string> const all{"memory", "sqlite"};
    return all;
}

fresh_store::fresh_store(std::string const& kind) : kind_(kind)
{
    if (kind_ == "sqlite")
    {
        auto pattern = (std::filesystem::temp_directory_path() / "weft_conformance_XXXXXX").string();
        if (!::mkdtemp(pattern.data()))
            throw std::runtime_error("no temporary directory");
        directory_ = pattern;
    }
    reopen();
}

fresh_store::~fresh_store()
{
    store_.reset();
    if (!directory_.empty())
        std::filesystem::remove_all(directory_);
}

void fresh_store::reopen()
{
    if (kind_ == "memory")
    {
        if (!store_)
            store_ = weft::make_memory_store(clock_);
        return;
    }
    store_.reset();
    store_ = weft::open_store("sqlite://" + (directory_ / "weft.db").string(), {.clock = clock_});
}

}  // namespace conformance
