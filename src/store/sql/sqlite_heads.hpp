// What writes look at before, or after, they write.
#pragma once

#include "src/store/sql/sqlite_statements.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace weft {
inline namespace v0 {
namespace sql_store {

// What makes a write conditional (I5): WHERE gid = :gid AND owner = :owner AND position = :position AND it is not over.
std::string mine();

class sqlite_heads
{
public:
    explicit sqlite_heads(soci::session& sql);

    struct head
    {
        std::string  owner, status, ext_data, trans_type, workflow, custom_data;
        std::int64_t position = 0, created = 0;
        int          cancel_requested = 0;
    };
    std::optional<head> find(std::string const& gid);

    // The owner of a row must be alive in this very transaction: nobody would look for work of an engine that is not listed.
    bool is_alive(std::string const& engine);

    // Forgets which engines are known to be alive; at the beginning of each transaction.
    void begin() { alive_.clear(); }

private:
    std::string     gid_, engine_, alive_;
    head            head_;
    soci::indicator ext_ind_ = soci::i_ok;
    int             count_ = 0;
    soci::statement find_, find_engine_;
};

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
