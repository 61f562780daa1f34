// Every store that there is, each fresh, on a clock moved by hand.
#pragma once

#include "tests/support/servers.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/store.hpp>
#include <weft/testing/virtual_clock.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace conformance {

// A store and what it lives in.
class fresh_store
{
public:
    explicit fresh_store(std::string const& kind);
    fresh_store(fresh_store const&) = delete;

    weft::store&                  operator*() const { return *store_; }
    weft::store*                  operator->() const { return store_.get(); }
    weft::testing::virtual_clock& clock() const { return *clock_; }

    // Closes the store and opens it again, as another process would find it. Memory just stays.
    void reopen();

    // One statement in its database, as a person's. Not for memory.
    void by_hand(std::string const& sql);

private:
    std::string                                   kind_;
    std::optional<temporary_directory>            directory_;
    std::optional<server_database>                database_;
    std::shared_ptr<weft::testing::virtual_clock> clock_ = std::make_shared<weft::testing::virtual_clock>();
    std::unique_ptr<weft::store>                  store_;
};

std::vector<std::string> const& kinds();

}  // namespace conformance
