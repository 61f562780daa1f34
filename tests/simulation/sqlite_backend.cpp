#include "tests/simulation/sqlite_backend.hpp"

#include "tests/support/forwarding_store.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/open_store.hpp>

#include <filesystem>

namespace simulation {

namespace {

// In memory where there is such a place: thousands of cases would wait for the disk, and none of them pulls the plug.
std::filesystem::path where()
{
    std::filesystem::path const memory = "/dev/shm";
    return std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
}

struct in_a_directory
{
    temporary_directory directory{where()};
};

// Outlived by the directory.
class store_in_a_directory final : private in_a_directory, public forwarding_store
{
public:
    explicit store_in_a_directory(std::shared_ptr<weft::clock> clock)
        : forwarding_store(weft::open_store(directory.url("weft.db"), {.clock = std::move(clock)}))
    { }
};

}  // namespace

std::unique_ptr<weft::store> open_sqlite(std::shared_ptr<weft::clock> clock)
{
    return std::make_unique<store_in_a_directory>(std::move(clock));
}

}  // namespace simulation
