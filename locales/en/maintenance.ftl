### What isobench maintain has measured.

maintenance-generated = generated, { $size }

maintenance-cause-first = everything, the first time
maintenance-cause-unchanged = nothing changed
maintenance-cause-app-file = one file of the application
maintenance-cause-dependency = one dependency
maintenance-cause-base = the base (every tenth file)

maintenance-form-layers = layers
maintenance-form-layers-and-above = layers, and all above
maintenance-form-layers-difference = layers, difference
maintenance-form-disk = disk image
maintenance-form-disk-compressed = disk image, compressed
maintenance-form-disk-difference = disk image, difference
maintenance-form-disk-overlay = overlays, 4 KiB blocks
maintenance-form-disk-overlay-64k = overlays, 64 KiB clusters

maintenance-strategy-control = not replaced
maintenance-strategy-stop-start = stop, then start
maintenance-strategy-rolling = rolling

maintenance-column-image = Image
maintenance-column-cause = What changes
maintenance-column-form = Form
maintenance-column-files = Files
maintenance-column-layers = Layers
maintenance-column-disk = Disk image
maintenance-column-shared = Shared by all
maintenance-column-each = Each adds
maintenance-column-all = All together
maintenance-column-make = To make one
maintenance-column-kept = Kept for it
maintenance-column-serving = New version answers
maintenance-column-switch = of it switching
maintenance-column-failed = Failed requests
maintenance-column-outage = Without service
maintenance-column-slowest = Slowest answer
maintenance-column-kernel = Kernel
maintenance-column-parts = Kernels to replace
maintenance-column-at-once = Instances down at once

maintenance-images = What was maintained
maintenance-images-note = The disk image is a file system with the same files and nothing else: no kernel, no journal. Both are compressed alike ({ $compression }).
maintenance-disk-of = of a length of { $size }
maintenance-builds = Building
maintenance-builds-note = A builder that knows a layer only reads and hashes its files. A disk image is made as a whole.
maintenance-written = { $size } written
maintenance-shipments = Shipping a change
maintenance-shipments-note = Bytes over the wire to who has the version before. A difference is found by chunks of { $chunk } on average. “And all above”: what a builder ships that makes every later layer anew.
maintenance-shipments-caption = Bytes over the wire for an image with files of { $size }; the axis is logarithmic. Layers know what changed because the build was cut into steps; a difference finds it by comparing all bytes, for disk images as well.
maintenance-prepare = prepared in { $time }
maintenance-apply = received in { $time }
maintenance-storage = Disk of { $count ->
    [one] 1 instance
   *[other] { $count } instances
}
maintenance-storage-note = Each instance writes { $size } of its own. Layers count as the store keeps them, unpacked and as shipped. The time is that of the instance's own part, before it writes.
maintenance-storage-caption = All instances together, of an image with files of { $size }. Containers share the files of the image; virtual machines share a disk image only where copy-on-write overlays are used, and then they share as much.
maintenance-roll-backs = Going back to the version before
maintenance-roll-backs-note = After a change of one file of the application. What is kept is what it takes on the disk to be able to go back.
maintenance-replacements = Replacing an instance while requests arrive
maintenance-replacements-note = { $rate } requests a second, at fixed times. “New version answers” counts from the changed layer's arrival and includes unpacking it. A request fails that no instance was there for. Not replaced: what the client alone reports.
maintenance-replacements-caption = Longest time in which no request that arrived was answered, medians. Without a replacement it is the time between two requests.
maintenance-failed-of = { $failed } of { $requests } in all
maintenance-kernels = Patching the kernel under { $count ->
    [one] 1 instance
   *[other] { $count } instances
}
maintenance-kernels-note = Instances were asked for their kernel while all were alive. The host's kernel is under virtual machines too: replacing it stops them as well, unless they are moved to another host first.
maintenance-kernel-hosts = the host's, as all { $count } say
maintenance-kernel-own = one of its own in each of { $count }
maintenance-not-measured = a restart of the host, not measured
maintenance-left-out = Not measured

maintenance-say-shipping = After a change of one file in an image of { $size }, { $layers } are shipped as layers and { $disk } as a compressed disk image ({ $ratio }); a difference of disk images takes { $difference }.
maintenance-say-shipping-layers = After a change of one file in an image of { $size }, { $layers } are shipped as layers.
maintenance-say-storing = { $count ->
    [one] 1 instance takes
   *[other] { $count } instances take
} { $layers } of disk over layers, { $copies } as copies of a disk image, { $overlays } as overlays over one.
maintenance-say-replacing = Replacing an instance: { $what }.
maintenance-say-replaced = { $runtime }: the new version answers after { $time }; { $failed } requests fail when the old one is stopped first, { $rolling } when it is not
maintenance-say-kernel = Under { $count ->
    [one] 1 instance
   *[other] { $count } instances
} of { $shared } there is one kernel, the host's, and patching it stops all of them; { $own } has { $parts ->
    [one] 1 kernel
   *[other] { $parts } kernels
} to patch, one instance at a time.
maintenance-say-kernel-shared = Under { $count ->
    [one] 1 instance
   *[other] { $count } instances
} of { $shared } there is one kernel, the host's, and patching it stops all of them.

maintenance-method = Maintenance: layers and disk images were made of the same files, compressed alike, changed in the same files, and each repeated as far as its time allowed. Medians bear exact 95 % intervals between order statistics; below 6 repetitions there is none. What each figure hides: docs/maintenance.md in the source of isobench.

maintenance-box-layers = { $layers } shipped after a change of one file in { $size }
maintenance-box-disk = { $disk } shipped after the same change as a compressed disk image, { $difference } as a difference
maintenance-box-storage = { $count ->
    [one] 1 instance takes { $all } of disk
   *[other] { $count } instances take { $all } of disk
}
maintenance-box-copies = { $count ->
    [one] 1 instance takes { $copies } of disk as a copy, { $overlays } as an overlay
   *[other] { $count } instances take { $copies } of disk as copies, { $overlays } as overlays
}
maintenance-box-replaced = the new version answers { $time } after its arrival; failed requests: { $stopped } when stopped first, { $rolling } when rolling
maintenance-box-kernel-hosts = one kernel to patch, the host’s: instances down at once: { $count }
maintenance-box-kernel-own = kernels to patch under { $count ->
    [one] 1 instance
   *[other] { $count } instances
}: { $parts }, one instance down at a time
maintenance-box-image = an image of { $layers ->
    [one] 1 layer
   *[other] { $layers } layers
} and { $size } ran as it is
