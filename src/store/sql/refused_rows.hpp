// Rows of transactions that the database will not have changed (a trigger, a constraint). What is done to many rows at once leaves them out
// for a while: nobody else is to wait for them.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace weft {
inline namespace v0 {
namespace sql_store {

// Thread safety: any thread.
class refused_rows
{
public:
    void add(std::string id, std::string gid, std::string_view why)
    {
        std::lock_guard lock(mutex_);
        rows_.insert_or_assign(std::move(id), row{clock::now() + for_so_long, "gid=" + std::move(gid) + ' ' + std::string(why)});
    }

    // To be added to a condition: " AND id NOT IN (7, 12)", or nothing.
    std::string left_out()
    {
        std::lock_guard lock(mutex_);
        std::erase_if(rows_, [now = clock::now()](auto const& r) { return r.second.until <= now; });
        std::string ids;
        for (auto const& [id, r] : rows_)
            ids += (ids.empty() ? "" : ", ") + id;
        return ids.empty() ? "" : " AND id NOT IN (" + ids + ")";
    }

    // Which they are, and what the database said; the first few.
    std::string in_words() const
    {
        constexpr std::size_t most = 5;
        std::lock_guard       lock(mutex_);
        std::string           words;
        std::size_t           n = 0;
        for (auto const& [id, r] : rows_)
            if (n++ < most)
                words += (words.empty() ? "" : "; ") + r.words;
        return n > most ? words + "; and " + std::to_string(n - most) + " more" : words;
    }

private:
    using clock = std::chrono::steady_clock;
    static constexpr std::chrono::minutes for_so_long{1};

    struct row
    {
        clock::time_point until;
        std::string       words;
    };

    mutable std::mutex         mutex_;
    std::map<std::string, row> rows_;  // by id
};

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
