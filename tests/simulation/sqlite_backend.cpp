#include "tests/simulation/sqlite_backend.hpp"

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

// Forwards everything, and owns the directory.
class store_in_a_directory final : public weft::store
{
public:
    explicit store_in_a_directory(std::shared_ptr<weft::clock> clock)
        : store_(weft::open_store(directory_.url("weft.db"), {.clock = std::move(clock)}))
    { }

    std::vector<weft::write_result> apply(std::span<weft::write const> w, bool repeated) override { return store_->apply(w, repeated); }
    void                            enlist(std::string const& e, std::span<std::string const> w) override { store_->enlist(e, w); }
    bool                            beat(std::string const& e, std::span<std::string const> w) override { return store_->beat(e, w); }
    void                            resign(std::string const& e) override { store_->resign(e); }
    std::size_t                     release_dead(std::chrono::milliseconds expiry) override { return store_->release_dead(expiry); }
    weft::claimed                   claim(std::string const& e, std::span<std::string const> w, std::size_t limit, bool owned_too) override
    {
        return store_->claim(e, w, limit, owned_too);
    }
    std::vector<std::string>         cancel_requests(std::string const& e) override { return store_->cancel_requests(e); }
    std::uint64_t                    version() override { return store_->version(); }
    std::optional<weft::transaction> find(std::string_view gid, bool with_journal) override { return store_->find(gid, with_journal); }
    std::vector<weft::transaction>   list(weft::list_filter const& f) override { return store_->list(f); }
    bool                             mark(std::string const& nonce, bool present) override { return store_->mark(nonce, present); }
    std::optional<weft::transaction> create_within(std::any const& c, weft::create_write const& w) override
    {
        return store_->create_within(c, w);
    }
    std::string id() override { return store_->id(); }
    std::string describe() const override { return store_->describe(); }

private:
    temporary_directory          directory_{where()};
    std::unique_ptr<weft::store> store_;
};

}  // namespace

std::unique_ptr<weft::store> open_sqlite(std::shared_ptr<weft::clock> clock)
{
    return std::make_unique<store_in_a_directory>(std::move(clock));
}

}  // namespace simulation
