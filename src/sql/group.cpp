#include "src/sql/group.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

group_committer::group_committer(sqlite_session& s)
    : session_(s)
    ,
    // IMMEDIATE: the lock is waited for here, where nothing has been done. A lock asked for later may be refused at once.
    begin_(s, "begin immediate")
    , savepoint_(s, "savepoint weft_operation")
    , release_(s, "release weft_operation")
    , undo_(s, "rollback to weft_operation")
    , commit_(s, "commit")
    , rollback_(s, "rollback")
{ }

std::size_t group_committer::apply(std::span<std::unique_ptr<sql_job> const> jobs) noexcept
{
    std::string why;
    auto const  how = attempt(jobs, why);
    if (how == ended::broken && jobs.size() > 1)
        return 0;
    for (auto const& job : jobs)
        if (how == ended::committed)
            job->done();
        else
            job->lost(why);
    return jobs.size();
}

// Leaves in `jobs` those that it has come to.
group_committer::ended group_committer::attempt(std::span<std::unique_ptr<sql_job> const>& jobs, std::string& why) noexcept
{
    try
    {
        begin_();
    }
    catch (std::exception const& e)
    {
        why = e.what();
        return ended::not_begun;
    }

    bool committing = false;
    try
    {
        for (std::size_t i = 0; i < jobs.size(); ++i)
        {
            if (!run_under_savepoint(*jobs[i]))
                throw std::runtime_error("its local transaction was ended while it ran: nothing that was done there counts");
            if (session_.is_changed())
                jobs = jobs.first(i + 1);
        }
        committing = true;
        commit_();
        if (!session_.has_moved())
            return ended::committed;
        why = "the file was removed or replaced while it was open: what was done there is in neither";
        return ended::in_doubt;
    }
    catch (std::exception const& e)
    {
        why = e.what();
    }
    if (session_.idle())
    {
        if (committing)
            why = "in doubt: the commit failed: " + why;
        return committing ? ended::in_doubt : ended::broken;
    }
    // A commit that failed and left the transaction open has committed nothing.
    try
    {
        rollback_();
    }
    catch (std::exception const&)
    {
        // Open still: the next `begin` says so.
    }
    return ended::broken;
}

// False: the job, or an error in it, ended the whole local transaction.
bool group_committer::run_under_savepoint(sql_job& job)
{
    savepoint_();
    session_.lend();
    bool const keep = job.run(session_.connection());
    session_.take_back();
    if (session_.idle())
        return false;
    try
    {
        if (!keep)
            undo_();
        release_();
        return true;
    }
    catch (sqlite_error const& e)
    {
        // The savepoint went with its transaction, and another one was begun.
        if (e.code == SQLITE_ERROR)
            return false;
        throw;
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
