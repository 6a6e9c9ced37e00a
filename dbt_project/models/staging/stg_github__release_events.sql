{{ milestones_as_release_events('raw_github') }}
