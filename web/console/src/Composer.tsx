// The message field, with pictures from files or from the clipboard.

import { type ClipboardEvent, type FormEvent, useRef, useState } from "react";
import { CameraButton } from "./Camera";
import { CameraSymbol, PictureSymbol, SendSymbol } from "./icons";
import { MAX_PICTURES, PictureError, type PictureProblem, readPicture } from "./pictures";
import type { Strings } from "./strings";

interface Props {
  /** Of the assistant. */
  name: string;
  strings: Strings;
  onSend: (text: string, images: string[]) => void;
}

interface Picture {
  name: string;
  /** A data URL. */
  url: string;
}

/** Write a message. Pictures are shown before they are sent, and can be removed. */
export function Composer({ name, strings, onSend }: Props) {
  const [text, setText] = useState("");
  const { pictures, problem, add, remove, clear } = usePictures();
  const field = useRef<HTMLInputElement>(null);
  const trimmed = text.trim();
  const empty = !trimmed && !pictures.length;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (empty) return;
    onSend(
      trimmed,
      pictures.map(({ url }) => url),
    );
    setText("");
    clear();
  };
  const paste = (event: ClipboardEvent) => {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault(); // programs put the name of a copied file beside it, as text
    void add(files);
  };
  const take = (index: number) => {
    remove(index);
    field.current?.focus(); // the button that had it is gone
  };
  return (
    <form className="composer" aria-label={strings.messageLabel} onSubmit={submit} onPaste={paste}>
      {problem && (
        <p role="alert">{strings.pictures[problem].replace("{count}", String(MAX_PICTURES))}</p>
      )}
      <Previews pictures={pictures} strings={strings} onRemove={take} />
      <PictureButton label={strings.pictures.add} onFiles={(files) => void add(files)} />
      {isTouched ? (
        <PictureButton
          camera
          label={strings.pictures.camera}
          onFiles={(files) => void add(files)}
        />
      ) : (
        "mediaDevices" in navigator && (
          <CameraButton
            strings={strings}
            onPhoto={(photo) => {
              void add([photo]);
              field.current?.focus();
            }}
          />
        )
      )}
      <input
        ref={field}
        type="text"
        aria-label={strings.messageLabel}
        placeholder={strings.placeholder.replace("{name}", name)}
        autoComplete="off"
        enterKeyHint="send"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <button type="submit" aria-label={strings.send} title={strings.send} disabled={empty}>
        <SendSymbol />
      </button>
    </form>
  );
}

/** The pictures of the message that is being written. */
function usePictures() {
  const [pictures, setPictures] = useState<readonly Picture[]>([]);
  const [problem, setProblem] = useState<PictureProblem>();
  const add = async (files: readonly File[]) => {
    setProblem(undefined);
    for (const file of files)
      try {
        const url = await readPicture(file);
        setPictures((before) => [...before, { name: file.name, url }].slice(0, MAX_PICTURES));
        if (pictures.length + files.length > MAX_PICTURES) setProblem("tooMany");
      } catch (error) {
        setProblem(error instanceof PictureError ? error.problem : "unreadable");
      }
  };
  const remove = (index: number) => {
    setProblem(undefined);
    setPictures((before) => before.filter((_, i) => i !== index));
  };
  const clear = () => {
    setProblem(undefined);
    setPictures([]);
  };
  return { pictures, problem, add, remove, clear };
}

function Previews(props: {
  pictures: readonly Picture[];
  strings: Strings;
  onRemove: (index: number) => void;
}) {
  const { pictures, strings, onRemove } = props;
  if (!pictures.length) return null;
  return (
    <ul className="previews" aria-label={strings.pictures.list}>
      {pictures.map(({ name, url }, index) => (
        <li key={`${index} ${url.length}`}>
          <img src={url} alt={name} />
          <button
            type="button"
            aria-label={strings.pictures.remove.replace("{name}", name)}
            onClick={() => onRemove(index)}
          >
            <span aria-hidden="true">×</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

const isTouched = matchMedia("(pointer: coarse)").matches; // a phone or a tablet

function PictureButton(props: {
  label: string;
  camera?: boolean;
  onFiles: (files: File[]) => void;
}) {
  const chooser = useRef<HTMLInputElement>(null);
  return (
    <>
      <button
        type="button"
        className="icon-button"
        aria-label={props.label}
        title={props.label}
        onClick={() => chooser.current?.click()}
      >
        {props.camera ? <CameraSymbol /> : <PictureSymbol />}
      </button>
      <input
        ref={chooser}
        type="file"
        accept="image/png,image/jpeg,image/webp"
        {...(props.camera ? { capture: "environment" } : { multiple: true })}
        hidden
        onChange={({ target }) => {
          props.onFiles([...(target.files ?? [])]);
          target.value = ""; // so the same file can be chosen again
        }}
      />
    </>
  );
}
