// Rows of transactions that the database will not have changed (a trigger, a constraint). What is done to many rows at once leaves them out
// for a minute, and twice as long each time that they are refused again: nobody else is to wait for them.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>

namespace weft {
inline namespace v0 {
namespace sql_store {

// Thread safety: any thread.
class refused_rows
{
public:
    void add(std::string const& id, std::string const& gid, std::string const& why)
    {
        std::lock_guard lock(mutex_);
        if (rows_.size() >= most_rows && !rows_.contains(id))
            rows_.erase(
                std::min_element(rows_.begin(), rows_.end(), [](auto const& a, auto const& b) { return a.second.until < b.second.until; }));
        auto& r = rows_[id];
        r.left_out = r.left_out.count() == 0 ? at_first : std::min(longest, r.left_out * 2);
        r.until = clock::now() + r.left_out;
        r.words = "gid=" + gid + ' ' + why;
    }

    // To be added to a condition: " AND id NOT IN (7, 12)", or nothing.
    std::string left_out()
    {
        std::lock_guard lock(mutex_);
        auto const      now = clock::now();
        std::string     ids;
        std::erase_if(rows_, [&](auto const& r) { return now - r.second.until > longest; });  // they are gone, or were changed elsewhere
        for (auto const& [id, r] : rows_)
            if (r.until > now)
                ids += (ids.empty() ? "" : ", ") + id;
        return ids.empty() ? "" : " AND id NOT IN (" + ids + ")";
    }

    // Which they are, and what the database said; the first few.
    std::string in_words() const
    {
        constexpr std::size_t most = 5;
        std::lock_guard       lock(mutex_);
        auto const            now = clock::now();
        std::string           words;
        std::size_t           n = 0;
        for (auto const& [id, r] : rows_)
            if (r.until > now && n++ < most)
                words += (words.empty() ? "" : "; ") + r.words;
        return n > most ? words + "; and " + std::to_string(n - most) + " more" : words;
    }

private:
    using clock = std::chrono::steady_clock;
    static constexpr std::chrono::minutes at_first{1}, longest{16};
    static constexpr std::size_t          most_rows = 1'000;

    struct row
    {
        std::chrono::minutes left_out{0};
        clock::time_point    until;
        std::string          words;
    };

    mutable std::mutex         mutex_;
    std::map<std::string, row> rows_;  // by id
};

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
